import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeHeldDirectory, sweepDirectories } from '../../src/core/held-directory.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe('held directories', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    root = temporaryDirectory();
  });
  afterEach(() => root.remove());
  const all = (): boolean => true;

  it('survive a sweep while they are held, and not afterwards', async () => {
    const held = makeHeldDirectory(join(root.path, 'tmp'), () => 'one');
    writeFileSync(join(held.path, 'file'), '');
    expect(await sweepDirectories(join(root.path, 'tmp'), all)).toEqual([]);
    expect(existsSync(held.path)).toBe(true);
    held.release();
    expect(await sweepDirectories(join(root.path, 'tmp'), all)).toEqual(['one']);
    expect(existsSync(held.path)).toBe(false);
  });

  it('are swept only where the name matches, and a missing parent is empty', async () => {
    mkdirSync(join(root.path, 'keep'));
    mkdirSync(join(root.path, 'drop'));
    expect(await sweepDirectories(root.path, (name) => name === 'drop')).toEqual(['drop']);
    expect(existsSync(join(root.path, 'keep'))).toBe(true);
    expect(await sweepDirectories(join(root.path, 'nowhere'), all)).toEqual([]);
  });

  it('are never lost to sweeps that run at the same time', async () => {
    let stop = false;
    const sweeper = (async () => {
      while (!stop) {
        await sweepDirectories(root.path, all);
        await new Promise(setImmediate);
      }
    })();
    for (let n = 0; n < 200; n++) {
      const held = makeHeldDirectory(root.path, () => `d${n}`);
      await new Promise(setImmediate);
      expect(existsSync(held.path)).toBe(true);
      held.release();
    }
    stop = true;
    await sweeper;
  });
});
