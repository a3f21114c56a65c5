import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryFile, textOf } from '../../src/core/fsops/memory-file.js';
import { MNT_DETACH, mount, umount } from '../../src/core/fsops/mount.js';
import { spawnProcess } from '../../src/core/spawn.js';
import { openView, withoutMount } from '../../src/runtime/hidden-mount.js';
import { reap } from '../../src/runtime/reap.js';

const OWN = '/proc/thread-self/ns/mnt';

describe.skipIf(process.getuid?.() !== 0)('a mount that is not to be seen (needs root)', () => {
  let directory: string;
  let point: string;
  let file: string;
  beforeAll(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'gantry-hidden-')));
    point = join(directory, 'point');
    file = join(point, 'file');
    mkdirSync(point);
    mount({ source: 'tmpfs', target: point, type: 'tmpfs' });
    writeFileSync(file, '');
  });
  afterAll(() => {
    umount(point, MNT_DETACH);
    rmSync(directory, { recursive: true, force: true });
  });

  it('is not there for what is begun meanwhile, and there as before for us', async () => {
    const [home, mounts, cwd, umask] = [
      readlinkSync(OWN),
      readFileSync('/proc/self/mountinfo', 'utf8'),
      process.cwd(),
      process.umask(),
    ];
    const output = memoryFile('stdout');
    const pid = withoutMount(point, () => {
      expect(existsSync(file)).toBe(false);
      expect(process.cwd()).toBe(cwd);
      return spawnProcess(['/bin/sh', '-c', `sleep 0.05; ls ${point}; pwd; umask; readlink ${OWN}`], {
        stdio: ['ignore', output, output],
      });
    });
    expect(existsSync(file)).toBe(true);
    expect([
      readlinkSync(OWN),
      readFileSync('/proc/self/mountinfo', 'utf8'),
      process.cwd(),
      process.umask(),
    ]).toEqual([home, mounts, cwd, umask]);
    expect(await reap(pid)).toBe(0);
    const [where, mask, namespace] = textOf(output).split('\n');
    closeSync(output);
    expect([where, Number.parseInt(mask!, 8)]).toEqual([cwd, umask]);
    expect(namespace).not.toBe(home);
  });

  it('can be entered by others while it is open', () => {
    const view = openView(point);
    const entered = [
      `--mount=/proc/${process.pid}/fd/${view.namespace}`,
      `--root=/proc/${process.pid}/fd/${view.root}`,
    ];
    expect(execFileSync('nsenter', [...entered, 'ls', '-A', point], { encoding: 'utf8' })).toBe('');
    expect(readdirSync(point)).toEqual(['file']);
    view.close();
    expect(() => execFileSync('nsenter', [...entered, 'true'], { stdio: 'ignore' })).toThrow();
  });

  it('is left after a failure, ours or of the way there', () => {
    const home = readlinkSync(OWN);
    expect(() =>
      withoutMount(point, () => {
        throw new Error('ours');
      }),
    ).toThrow('ours');
    expect(() => withoutMount(join(directory, 'none'), () => 0)).toThrow('ENOENT');
    expect(readlinkSync(OWN)).toBe(home);
    expect(existsSync(file)).toBe(true);
  });

  it('comes back to a working directory that was deleted', () => {
    const before = process.cwd();
    const gone = join(directory, 'gone');
    mkdirSync(gone);
    process.chdir(gone);
    rmSync(gone, { recursive: true });
    try {
      expect(withoutMount(point, () => existsSync(file))).toBe(false);
      expect(readlinkSync('/proc/self/cwd')).toBe(`${gone} (deleted)`);
    } finally {
      process.chdir(before);
    }
  });

  it('stays in sight of other threads', async () => {
    const home = readlinkSync(OWN);
    const seen = new Int32Array(new SharedArrayBuffer(12)); // looks, strange ones, the end
    const worker = new Worker(
      `const { workerData: { seen, file, home } } = require('node:worker_threads');
       const { existsSync, readlinkSync } = require('node:fs');
       while (Atomics.load(seen, 2) === 0) {
         Atomics.add(seen, 0, 1);
         if (!existsSync(file) || readlinkSync('${OWN}') !== home) Atomics.add(seen, 1, 1);
       }`,
      { eval: true, workerData: { seen, file, home } },
    );
    try {
      const pool = Promise.all(Array.from({ length: 200 }, () => readlink(OWN)));
      const first = seen[0]!;
      while (Atomics.load(seen, 0) === first) await new Promise((resolve) => setTimeout(resolve, 1));
      for (let round = 0; round < 50; round++) withoutMount(point, () => existsSync(file));
      expect(new Set(await pool)).toEqual(new Set([home]));
      expect(new Set(await Promise.all(Array.from({ length: 50 }, () => readlink(OWN))))).toEqual(
        new Set([home]),
      );
    } finally {
      Atomics.store(seen, 2, 1);
      await new Promise((resolve) => worker.once('exit', resolve));
    }
    expect(seen[0]).toBeGreaterThan(1);
    expect(seen[1]).toBe(0);
  });

  it('keeps the root directory of a process that has its own', async () => {
    const script = join(import.meta.dirname, '../../node_modules/.cache/gantry-test/chrooted.mjs');
    await build({
      entryPoints: [join(import.meta.dirname, 'chrooted.ts')],
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    });
    const marker = join(directory, 'marker');
    mkdirSync(marker);
    // The host's tree in a directory, with a file that is in that view of it alone.
    const setUp = `mkdir "$1/root" && mount --rbind / "$1/root" && mount -t tmpfs none "$1/root$2" && touch "$1/root$2/here" &&
      exec chroot "$1/root" sh -c 'cd "$1" && exec "$2" "$3" "$4" "$1/here"' sh "$2" "$3" "$4" "$5"`;
    const found = execFileSync(
      'unshare',
      ['--mount', 'sh', '-c', setUp, 'sh', directory, marker, process.execPath, script, point],
      { encoding: 'utf8' },
    );
    const there = [true, marker];
    expect(JSON.parse(found)).toEqual({ inside: there, after: there, entered: 'here\n' });
  });
});
