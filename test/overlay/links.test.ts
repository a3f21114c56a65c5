import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lowersAbove, newLink, readLink, readLowers, resolveLink } from '../../src/overlay/links.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe('links of layers', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    root = temporaryDirectory();
  });
  afterEach(() => root.remove());

  it('are 26 characters of A to Z and digits, and do not repeat', () => {
    const links = Array.from({ length: 100 }, newLink);
    for (const link of links) expect(link).toMatch(/^[A-Z0-9]{26}$/);
    expect(new Set(links).size).toBe(100);
  });

  it('chain the parent first, then what is below it', () => {
    const [parent, grandparent] = [newLink(), newLink()];
    writeFileSync(join(root.path, 'link'), parent);
    expect(lowersAbove(root.path)).toEqual([`l/${parent}`]);
    writeFileSync(join(root.path, 'lower'), `l/${grandparent}`);
    expect(lowersAbove(root.path)).toEqual([`l/${parent}`, `l/${grandparent}`]);
  });

  it('stop at 128', () => {
    writeFileSync(join(root.path, 'link'), newLink());
    writeFileSync(join(root.path, 'lower'), Array.from({ length: 127 }, () => `l/${newLink()}`).join(':'));
    expect(lowersAbove(root.path)).toHaveLength(128);
    writeFileSync(join(root.path, 'lower'), Array.from({ length: 128 }, () => `l/${newLink()}`).join(':'));
    expect(() => lowersAbove(root.path)).toThrow(
      expect.objectContaining({
        code: 'ERR_LAYER_INVALID',
        message: expect.stringMatching(/128.*found 129/),
      }),
    );
  });

  it.each(['', 'short', '../../../../../../etc/pas'])('count %j as damage', (text) => {
    writeFileSync(join(root.path, 'link'), text);
    writeFileSync(join(root.path, 'lower'), text);
    const corrupt = expect.objectContaining({ code: 'ERR_STORE_CORRUPT' });
    expect(() => readLink(root.path)).toThrow(corrupt);
    expect(() => readLowers(root.path)).toThrow(corrupt);
    rmSync(join(root.path, 'lower'));
    expect(readLowers(root.path)).toEqual([]);
  });

  it('lead to a layer of the same store and nowhere else', () => {
    const id = 'a'.repeat(64);
    mkdirSync(join(root.path, 'l'));
    symlinkSync(`../${id}/diff`, join(root.path, 'l/GOOD'));
    symlinkSync('/etc', join(root.path, 'l/BAD'));
    expect(resolveLink(root.path, 'l/GOOD')).toBe(id);
    expect(() => resolveLink(root.path, 'l/BAD')).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_CORRUPT' }),
    );
  });
});
