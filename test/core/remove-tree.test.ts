import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeSmallTree, removeTree } from '../../src/core/remove-tree.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

describe('a tree', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let at: (...names: string[]) => string;
  beforeEach(() => {
    directory = temporaryDirectory();
    at = (...names) => join(directory.path, ...names);
  });
  afterEach(() => directory.remove());

  it.each([
    ['at once', async (path: string) => removeSmallTree(path)],
    ['in slices', removeTree],
  ] as const)('is removed %s, and nothing that its links lead to', async (_how, remove) => {
    mkdirSync(at('kept'));
    writeFileSync(at('kept', 'file'), '');
    mkdirSync(at('tree', 'a', 'b'), { recursive: true });
    writeFileSync(at('tree', 'a', 'file'), '', { mode: 0o000 });
    writeFileSync(Buffer.concat([Buffer.from(at('tree', 'a/')), Buffer.from([0xff, 0xe9])]), '');
    mkdirSync(Buffer.concat([Buffer.from(at('tree', 'a/')), Buffer.from([0xfe])]));
    symlinkSync(at('kept'), at('tree', 'link'));
    symlinkSync('nowhere', at('tree', 'dangling'));
    await remove(at('tree'));
    symlinkSync(at('kept'), at('link'));
    await remove(at('link'));
    await remove(at('gone'));
    expect(readdirSync(directory.path)).toEqual(['kept']);
    expect(readdirSync(at('kept'))).toEqual(['file']);
  });

  it('lets the event loop go on while a big one is removed', async () => {
    for (let n = 0; n < 20_000; n++) {
      if (n % 1000 === 0) mkdirSync(at('tree', String(n / 1000)), { recursive: true });
      writeFileSync(at('tree', String(Math.floor(n / 1000)), String(n)), '');
    }
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await removeTree(at('tree'));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it('that somebody still writes to is removed in the end', async () => {
    mkdirSync(at('tree'));
    for (let n = 0; n < 5000; n++) writeFileSync(at('tree', String(n)), '');
    let late = 0;
    const timer = setInterval(() => {
      if (late < 2) writeFileSync(at('tree', `late${late++}`), '');
    }, 1);
    await removeTree(at('tree'));
    clearInterval(timer);
    expect(readdirSync(directory.path)).toEqual([]);
  });
});
