import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hexOf } from '../../src/core/digest/digest.js';
import { assertUsable, settleDurability } from '../../src/engine/durability.js';
import type { Layer } from '../../src/engine/layer-store.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { commitFiles, temporaryDirectory } from '../helpers/layer-fixture.js';

describe('durability', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let before: Store;
  let after: Store;
  let layers: Layer[];
  const mark = (layer: Layer) => join(root.path, 'gantry/durability', hexOf(layer.chainID));
  beforeEach(async () => {
    root = temporaryDirectory();
    before = openStore(root.path, { bootID: 'first boot' });
    after = openStore(root.path, { bootID: 'second boot' });
    const a = await commitFiles(before, { 'a/file': 'one' });
    const b = await commitFiles(before, { 'b/file': 'two' }, a);
    layers = [a, b, await commitFiles(before, { 'c/file': 'three' }, b)];
  });
  afterEach(() => root.remove());
  const file = (layer: Layer, path: string) => join(before.driver.files(layer.cacheID), path);

  it('marks each commit, and clears the marks that are old enough after a sync', async () => {
    expect(before.layers.marks.list()).toHaveLength(3);
    expect(await settleDurability(before)).toBe(0);
    utimesSync(mark(layers[0]!), 0, 0);
    expect(await settleDurability(before)).toBe(1);
    expect(before.layers.marks.list()).toHaveLength(2);
    expect(await settleDurability(before, { olderThan: 0 })).toBe(2);
  });

  it('never clears a mark of another boot unread', async () => {
    expect(await settleDurability(after, { olderThan: 0 })).toBe(0);
    expect(after.layers.marks.list()).toHaveLength(3);
  });

  it('reads nothing again in the boot of the commit', async () => {
    writeFileSync(file(layers[0]!, 'a/file'), 'changed');
    await assertUsable(before, layers[2]!.chainID);
    expect(before.layers.marks.list()).toHaveLength(3);
  });

  it('passes layers that are what they were, and remembers it', async () => {
    await assertUsable(after, layers[2]!.chainID);
    expect(after.layers.marks.list()).toEqual([]);
  });

  it('takes a mark that lost its content for one of another boot', async () => {
    writeFileSync(mark(layers[1]!), '');
    writeFileSync(file(layers[1]!, 'b/file'), '');
    await expect(assertUsable(before, layers[2]!.chainID)).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
    });
  });

  it.each([
    ['was cut to nothing', ''],
    ['was filled with zeros', '\0\0\0'],
  ])('drops a layer whose file %s, and all above it, and says to pull again', async (_, content) => {
    writeFileSync(file(layers[1]!, 'b/file'), content);
    await expect(assertUsable(after, layers[2]!.chainID)).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
      message: expect.stringContaining('b/file'),
      details: { hint: expect.stringContaining('pull'), dropped: [layers[2]!.chainID, layers[1]!.chainID] },
    });
    expect(after.layers.list()).toEqual([layers[0]]);
    expect(readdirSync(join(root.path, 'overlay2')).sort()).toEqual([layers[0]!.cacheID, 'l'].sort());
    expect(existsSync(mark(layers[1]!))).toBe(false);
    const again = await commitFiles(after, { 'b/file': 'two' }, layers[0]);
    await assertUsable(after, again.chainID);
  });
});
