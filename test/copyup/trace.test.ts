/** The watch and what is collected after it, on overlay mounts made here; the kernel and the workload's own clock judge. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newCompareBuffers } from '../../src/copyup/changed-blocks.js';
import { collectCopies } from '../../src/copyup/collect.js';
import { compareStretch } from '../../src/copyup/compare-stretch.js';
import { CopyWatch } from '../../src/copyup/copy-watch.js';
import { LowerFiles } from '../../src/copyup/lower-files.js';
import type { CopiedFile } from '../../src/copyup/profile.js';
import { bind } from '../../src/core/fsops/libc.js';
import { setXattr } from '../../src/core/fsops/xattr.js';
import { CopyUpTracer, type Traced } from '../../src/engine/copyup-tracer.js';
import { type Overlay, overlay, whyNoTracing } from './overlay.js';

const MIB = 2 ** 20;
/** Node's opens the file. */
const truncate = bind<(path: string, length: number) => number>('int truncate(const char*, int64_t)');
const why = whyNoTracing();

describe.skipIf(why !== undefined)(`copy-ups of an overlay mount${why ? ` (skipped: ${why})` : ''}`, () => {
  let mounted: Overlay;
  beforeEach(() => {
    mounted = overlay();
  });
  afterEach(() => mounted.remove());

  const inMerged = (name: string): string => join(mounted.merged, name);
  const inTop = (name: string): string => join(mounted.lowers[0], name);

  function start(watch = true): Promise<CopyUpTracer> {
    const { upper, work, merged, lowers } = mounted;
    return CopyUpTracer.start({ mount: { upper, work, merged }, lowers, watch });
  }

  const byPath = ({ files }: Traced): Map<string, CopiedFile> =>
    new Map(files.map((file) => [file.path, file]));
  const open = (name: string, flags: string): void => closeSync(openSync(inMerged(name), flags));

  it('tells what each call copied, why, from where, by whom', async () => {
    const names = [
      'read',
      'open',
      'empty',
      'cut',
      'mode',
      'owner',
      'attribute',
      'from',
      'linked',
      'gone',
      'removed',
    ];
    for (const name of names) writeFileSync(inTop(name), name.repeat(10_000));
    mkdirSync(join(mounted.lowers[1], 'deep/er'), { recursive: true });
    writeFileSync(join(mounted.lowers[1], 'deep/er/file'), 'x');
    writeFileSync(join(mounted.lowers[1], 'twin'), 'twins');
    linkSync(join(mounted.lowers[1], 'twin'), join(mounted.lowers[1], 'other twin'));
    symlinkSync('read', join(mounted.lowers[1], 'symlink'));
    mounted.mount();
    const tracer = await start();
    expect(tracer.refused).toBeUndefined();
    readFileSync(inMerged('read'));
    open('open', 'r+');
    open('empty', 'w');
    truncate(inMerged('cut'), 5);
    chmodSync(inMerged('mode'), 0o600);
    chownSync(inMerged('owner'), 7, 7);
    setXattr(inMerged('attribute'), 'user.mark', Buffer.from('1'));
    renameSync(inMerged('from'), inMerged('to'));
    linkSync(inMerged('linked'), inMerged('second name'));
    open('deep/er/file', 'a');
    open('twin', 'r+');
    lchownSync(inMerged('symlink'), 7, 7);
    chmodSync(inMerged('gone'), 0o600);
    await new Promise((resolve) => setTimeout(resolve, 50)); // a copy that is gone at once is not seen
    rmSync(inMerged('gone'));
    rmSync(inMerged('removed'));
    writeFileSync(inMerged('removed'), 'new');
    writeFileSync(inMerged('new'), 'new');
    const traced = await tracer.stop();

    const files = byPath(traced);
    const facts = (name: string) => {
      const { cause, bytes, layer, kind, gone, pid } = files.get(`/${name}`) ?? {};
      expect(pid, name).toBe(process.pid);
      return [kind, cause, bytes, layer, ...(gone ? ['gone'] : [])];
    };
    expect(facts('open')).toEqual(['file', 'open', 40_000, 0]);
    expect(facts('empty')).toEqual(['file', 'truncate', 0, 0]);
    expect(facts('cut')).toEqual(['file', 'truncate', 30_000, 0]);
    expect(facts('mode')).toEqual(['file', 'chmod', 40_000, 0]);
    expect(facts('owner')).toEqual(['file', 'chown', 50_000, 0]);
    expect(facts('attribute')).toEqual(['file', 'xattr', 90_000, 0]);
    expect(facts('to')).toEqual(['file', 'rename', 40_000, 0]);
    expect(facts('linked')).toEqual(['file', 'link', 60_000, 0]);
    expect(facts('deep')).toEqual(['directory', 'unknown', 0, 1]);
    expect(facts('deep/er/file')).toEqual(['file', 'open', 1, 1]);
    expect(facts('twin')).toEqual(['file', 'open', 5, 1]);
    expect(facts('symlink')).toEqual(['symlink', 'chown', 0, 1]);
    expect(facts('gone')).toEqual(['file', 'chmod', 40_000, 0, 'gone']);
    expect(traced.files).toHaveLength(14); // with deep/er
    expect(new Set(traced.created.map(({ path, bytes, pid }) => [path, bytes, pid].join()))).toEqual(
      new Set([`/new,3,${process.pid}`, `/removed,3,${process.pid}`]),
    );
  });

  it('the upper directory alone tells the same files, without times, causes and processes', async () => {
    writeFileSync(inTop('open'), 'x'.repeat(5000));
    writeFileSync(inTop('read'), 'x');
    mounted.mount();
    open('open', 'r+');
    writeFileSync(inMerged('new'), 'four');
    const tracer = await start(false);
    const traced = await tracer.stop();
    expect(traced.watched).toBeUndefined();
    expect(traced.files).toEqual([{ path: '/open', kind: 'file', cause: 'unknown', layer: 0, bytes: 5000 }]);
    expect(traced.created).toEqual([{ path: '/new', bytes: 4 }]);
  });

  it('leaves out what was copied before the watch began', async () => {
    for (const name of ['before', 'during']) writeFileSync(inTop(name), name);
    mounted.mount();
    open('before', 'r+');
    await new Promise((resolve) => setTimeout(resolve, 50)); // file times are the last tick's
    const tracer = await start();
    open('during', 'r+');
    expect([...byPath(await tracer.stop()).keys()]).toEqual(['/during']);
  });

  // Other processes may take the processor between the call's end and the workload's look at its clock.
  it('agrees within 10 % with the time that the workload measures itself', { retry: 3 }, async () => {
    const sizes = [2, 3, 5, 8, 16, 24, 32].map((mib) => mib * MIB);
    for (const size of sizes) writeFileSync(inTop(`${size}`), Buffer.alloc(size, 7));
    mounted.mount();
    const tracer = await start();
    const own = sizes.map((size) => {
      const before = performance.now();
      const fd = openSync(inMerged(`${size}`), 'r+');
      const took = performance.now() - before;
      closeSync(fd);
      return took;
    });
    const files = byPath(await tracer.stop());
    const ratios = sizes.map((size, at) => files.get(`/${size}`)!.durationMs! / own[at]!);
    const total = sizes.reduce((sum, size) => sum + files.get(`/${size}`)!.durationMs!, 0);
    expect(total / own.reduce((sum, took) => sum + took, 0), ratios.join()).toBeCloseTo(1, 1);
    const median = ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)]!;
    expect(Math.abs(median - 1), ratios.join()).toBeLessThan(0.1);
  });

  it('a watch that nobody reads holds nobody up and loses no copy', () => {
    const COPIES = 300;
    for (let at = 0; at < COPIES; at++) writeFileSync(inTop(`${at}`), 'z');
    mounted.mount();
    const watch = new CopyWatch(mounted);
    for (let at = 0; at < COPIES; at++) open(`${at}`, 'r+');
    const below = new LowerFiles(mounted.lowers);
    const { files } = collectCopies({ upper: mounted.upper, below, watched: watch.finish() });
    below.close();
    expect(files).toHaveLength(COPIES);
    expect(files.every(({ pid }) => pid === process.pid)).toBe(true);
    // All was over before the first look, so nothing says how long it took.
    expect(files.filter(({ durationMs }) => durationMs !== undefined)).toEqual([]);
  });

  it('a file moved deeper than a path can tell is counted, and what lies too deep to be looked at is told', async () => {
    for (const name of ['moved', 'short']) writeFileSync(inTop(name), 'x'.repeat(5000));
    mounted.mount();
    const tracer = await start();
    const script = `const { chdir } = process, fs = require('fs'), [merged] = process.argv.slice(1);
      const down = (name, levels) => { chdir(merged); for (; levels > 0; levels--) { fs.mkdirSync(name); chdir(name); } };
      down('n'.repeat(250), 20);
      fs.renameSync(merged + '/moved', 'file');
      fs.closeSync(fs.openSync(merged + '/short', 'r+'));
      down('d', 600);`;
    execFileSync(process.execPath, ['-e', script, mounted.merged]);
    const traced = await tracer.stop();
    execFileSync('rm', ['-rf', mounted.upper]); // Node's takes paths
    expect(traced.unreached).toBe(1);
    expect(traced.files.map(({ path, bytes }) => [path.length, bytes])).toEqual([
      [20 * 251 + '/file'.length, 5000],
      ['/short'.length, 5000],
    ]);
    const stretch = { lower: mounted.lowers[0], upper: mounted.lowers[0], start: 0 };
    expect(
      compareStretch({ ...stretch, path: traced.files[0]!.path.slice(1) }, newCompareBuffers()),
    ).toBeUndefined();
  });

  it('keeps nothing of new files in the place of removed ones, however many', () => {
    writeFileSync(inTop('again'), 'x');
    mounted.mount();
    const watch = new CopyWatch(mounted);
    for (let at = 0; at < 50; at++) {
      rmSync(inMerged('again'));
      writeFileSync(inMerged('again'), 'new');
      while (watch.next(0));
    }
    expect(watch.finish().copies.size).toBe(0);
  });

  it('tells how often the queue of writers was full', ({ skip }) => {
    mounted.mount();
    const watch = new CopyWatch(mounted);
    const queue = Number(readFileSync('/proc/sys/fs/fanotify/max_queued_events', 'utf8'));
    skip(queue > 50_000, 'a queue that takes long to fill');
    for (let at = 0; at < queue + 10; at++) open(`${at}`, 'w');
    const { overflows, writers } = watch.finish();
    expect(overflows).toBe(1);
    expect(writers.size).toBe(queue);
  });

  it('counts every copy of a storm, whatever the names, while readers open files as fast as they can', async () => {
    const COPIES = 200;
    const raw = Buffer.from([0x78, 0xff, 0x0a, 0x79]);
    const top = Buffer.from(`${mounted.lowers[0]}/`);
    writeFileSync(Buffer.concat([top, raw]), 'hostile');
    for (let at = 0; at < COPIES; at++) writeFileSync(inTop(`file ${at}`), 'y'.repeat(1000));
    writeFileSync(inTop('read'), 'read');
    mounted.mount();
    const tracer = await start();
    const reader = spawn(process.execPath, [
      '-e',
      `const fs = require('fs'); for (;;) fs.closeSync(fs.openSync(${JSON.stringify(inMerged('read'))}));`,
    ]);
    // Processes that die in the middle of what they do.
    const writers = [0, 1].map((half) => {
      const script = `const fs = require('fs');
        for (let at = ${half}; at < ${COPIES}; at += 2) fs.openSync(${JSON.stringify(inMerged('file '))} + at, 'r+');
        fs.openSync(Buffer.concat([Buffer.from(${JSON.stringify(`${mounted.merged}/`)}), Buffer.from('${raw.toString('hex')}', 'hex')]), 'r+');
        process.kill(process.pid, 'SIGKILL');`;
      return spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
    });
    await Promise.all(writers.map((writer) => once(writer, 'exit')));
    reader.kill('SIGKILL');
    await once(reader, 'exit');
    const { files } = await tracer.stop();
    expect(files).toHaveLength(COPIES + 1);
    expect(files.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(COPIES * 1000 + 7);
    expect(files.every(({ pid }) => writers.some((writer) => writer.pid === pid))).toBe(true);
    const hostile = files.find(({ pathBase64 }) => pathBase64 !== undefined)!;
    expect(Buffer.from(hostile.pathBase64!, 'base64')).toEqual(Buffer.concat([Buffer.from('/'), raw]));
  });
});
