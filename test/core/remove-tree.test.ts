import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
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

  it('deeper than a path is long is removed', async () => {
    const [name, levels] = ['d'.repeat(200), 100];
    const deepen = `i=0; while [ $i -lt ${levels} ]; do mkdir ${name} && cd -P ${name} && echo >file || exit; i=$((i + 1)); done`;
    mkdirSync(at('tree'));
    execFileSync('sh', ['-c', deepen], { cwd: at('tree') });
    await removeTree(at('tree'));
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'of a file system that tells no types is removed (root only)',
    async () => {
      const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'pipe' });
      writeFileSync(at('image'), '');
      truncateSync(at('image'), 4 << 20);
      run('mkfs.ext4', '-q', '-O', '^filetype', at('image'));
      mkdirSync(at('mounted'));
      run('mount', '-o', 'loop', at('image'), at('mounted'));
      try {
        mkdirSync(at('mounted', 'tree', 'a'), { recursive: true });
        writeFileSync(at('mounted', 'tree', 'a', 'file'), '');
        await removeTree(at('mounted', 'tree'));
        expect(readdirSync(at('mounted'))).toEqual(['lost+found']);
      } finally {
        run('umount', at('mounted'));
      }
    },
  );

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
