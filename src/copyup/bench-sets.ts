/**
 * What `gantry copyup bench` and `npm run bench -- copyup` measure. A set is what is measured side by side; its cases take
 * turns, so that a machine that is busy for a while is so for all of them.
 *
 *   size    copy-up of a file that is in the page cache, the lookup done before; beside it what else could be done:
 *           a volatile mount (no fsync), chmod with and without metacopy, and the copy by a program
 *   depth   open of a file that nobody has looked up, in the lowest of n layers
 *   xattrs  copy-up of a file with n extended attributes of 32 bytes
 *
 * The kernel syncs a file that it copies up (not on a volatile mount), so the copies by a program are synced too.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isGantryError } from '../core/errors.js';
import { copyRange } from '../core/fsops/copy-range.js';
import { FreshFiles, type LowerFiles, makeLowerFiles } from './bench-files.js';

const KiB = 1024;
const MiB = 1024 * KiB;

export interface BenchCase {
  readonly name: string;
  /** Milliseconds of one operation; what it needs before and leaves behind is not counted. */
  readonly once: () => number | Promise<number>;
}

export interface BenchSet {
  readonly group: 'size' | 'depth' | 'xattrs' | 'threads';
  /** Of one file. */
  readonly bytes: number;
  /** Layers, xattrs or threads: what the group varies; for `size` the bytes. */
  readonly value: number;
  readonly cases: readonly BenchCase[];
  close(): void | Promise<void>;
}

export interface BenchPlan {
  /** An empty directory on the file system to be measured. */
  readonly directory: string;
  readonly sizes: readonly number[];
  readonly depths: readonly number[];
  readonly xattrs: readonly number[];
}

/** Sizes are capped by the space that is free: a file, its copy and some room. */
export function benchPlan(directory: string, freeBytes: number, quick: boolean): BenchPlan {
  const sizes = quick ? [4 * KiB, MiB, 16 * MiB] : [4 * KiB, 64 * KiB, MiB, 16 * MiB, 128 * MiB, 1024 * MiB];
  return {
    directory,
    sizes: sizes.filter((bytes) => bytes * 4 < freeBytes),
    depths: quick ? [1, 127] : [1, 8, 32, 64, 127],
    xattrs: quick ? [0, 16] : [0, 1, 4, 16],
  };
}

/** One set after the other, each made when it is its turn; the caller closes it. ERR_UNSUPPORTED where no overlay can be. */
export function* benchSets({ directory, sizes, depths, xattrs }: BenchPlan): Generator<BenchSet> {
  const lower = (name: string, options: Parameters<typeof makeLowerFiles>[1]): LowerFiles => {
    mkdirSync(join(directory, name));
    return makeLowerFiles(join(directory, name), options);
  };
  const finish = (files: LowerFiles, fresh: readonly FreshFiles[]) => (): void => {
    for (const one of fresh) one.close();
    if (files.bytes >= MiB) rmSync(files.directory, { recursive: true, force: true });
  };
  for (const bytes of sizes) {
    const files = lower(`size-${bytes}`, { bytes });
    const overlays = {
      'copy-up': new FreshFiles(files, 'plain'),
      'volatile copy-up': new FreshFiles(files, 'volatile', { volatile: true }),
      chmod: new FreshFiles(files, 'chmod'),
      'metacopy chmod': new FreshFiles(files, 'metacopy', { metacopy: true }),
    };
    const cases = Object.entries(overlays).flatMap(([name, fresh]) => {
      const operation = name.endsWith('chmod') ? changeMode : openToWrite;
      return isSupported(fresh) ? [{ name, once: () => timed(looked(fresh.next()), operation) }] : [];
    });
    yield {
      group: 'size',
      bytes,
      value: bytes,
      cases: [...cases, ...byProgram(files)],
      close: finish(files, Object.values(overlays)),
    };
  }
  for (const [group, values] of [
    ['depth', depths],
    ['xattrs', xattrs],
  ] as const) {
    for (const value of values) {
      const files = lower(`${group}-${value}`, { bytes: 4 * KiB, [group]: value });
      const fresh = new FreshFiles(files, 'plain');
      const path = group === 'depth' ? (next: string) => next : looked;
      const cases = [{ name: 'copy-up', once: () => timed(path(fresh.next()), openToWrite) }];
      yield { group, bytes: files.bytes, value, cases, close: finish(files, [fresh]) };
    }
  }
}

/** A kernel or file system without metacopy or volatile is measured without them. */
function isSupported(fresh: FreshFiles): boolean {
  try {
    fresh.renew();
    return true;
  } catch (error) {
    if (isGantryError(error, 'ERR_UNSUPPORTED') && error.details.hint !== 'run it as root') return false;
    throw error;
  }
}

function timed(path: string, operation: (path: string) => void): number {
  const started = performance.now();
  operation(path);
  return performance.now() - started;
}

function looked(path: string): string {
  statSync(path);
  return path;
}

const openToWrite = (path: string): void => closeSync(openSync(path, constants.O_WRONLY));
const changeMode = (path: string): void => chmodSync(path, 0o600);

function byProgram(files: LowerFiles): BenchCase[] {
  const from = join(files.directory, files.lowers.at(-1)!, files.names[0]!);
  const to = join(files.directory, 'copy');
  const once = (copy: () => void) => (): number => {
    const ms = timed(to, copy);
    rmSync(to);
    return ms;
  };
  const cases: BenchCase[] = [
    { name: 'copy_file_range', once: once(() => copyInto(from, to, (a, b) => copyRange(a, b, files.bytes))) },
    { name: 'read and write', once: once(() => copyInto(from, to, readAndWrite)) },
  ];
  const reflink = (): void => copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
  return canReflink(files.directory) ? [{ name: 'reflink', once: once(reflink) }, ...cases] : cases;
}

function canReflink(directory: string): boolean {
  const [from, to] = [join(directory, 'reflink-from'), join(directory, 'reflink-to')];
  writeFileSync(from, Buffer.alloc(4 * KiB));
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    for (const path of [from, to]) rmSync(path, { force: true });
  }
}

function copyInto(from: string, to: string, copy: (from: number, to: number) => void): void {
  const source = openSync(from, 'r');
  const target = openSync(to, 'wx', 0o600);
  try {
    copy(source, target);
    fsyncSync(target);
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

function readAndWrite(from: number, to: number): void {
  const buffer = Buffer.allocUnsafe(MiB);
  for (let got = readSync(from, buffer); got > 0; got = readSync(from, buffer)) {
    for (let at = 0; at < got; ) at += writeSync(to, buffer, at, got - at);
  }
}
