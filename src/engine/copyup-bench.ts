/**
 * `gantry copyup bench`: the sets of src/copyup/bench-sets.ts, and copy-up by several threads of the pool, as `warm` does
 * it. All happens in a directory of its own, which goes at the end, also after Ctrl-C; mounts go with the process.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { FreshFiles, makeLowerFiles } from '../copyup/bench-files.js';
import { type BenchPlan, type BenchSet, benchPlan, benchSets } from '../copyup/bench-sets.js';
import { GantryError } from '../core/errors.js';
import { ProgressWords } from '../core/progress-words.js';
import { freeSpace } from './free-space.js';
import { Pool } from './pool.js';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Files at a time, and bytes of each. */
const THREAD_LOADS = [
  [64, 16 * KiB],
  [8, 8 * MiB],
] as const;

export interface CopyUpBenchOptions {
  /** Where: any directory of the file system to be measured. */
  readonly dir: string;
  /** Seconds instead of minutes: fewer values, fewer samples, no file over 16 MiB. */
  readonly quick?: boolean;
  readonly signal?: AbortSignal;
  readonly onRow?: (row: CopyUpBenchRow) => void;
}

export interface CopyUpBenchRow {
  readonly group: BenchSet['group'];
  readonly name: string;
  /** Of one file; `threads` copies several. */
  readonly bytes: number;
  readonly value: number;
  readonly samples: number;
  /** Milliseconds. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface CopyUpBenchReport {
  readonly kernel: string;
  readonly dir: string;
  /** Of the mount that `dir` lies on: `ext4`. */
  readonly fileSystem: string;
  readonly cpus: number;
  readonly rows: readonly CopyUpBenchRow[];
}

/** ERR_UNSUPPORTED where no overlay can be mounted, ERR_CANCELED, and Node's errors of a directory that cannot be used. */
export async function benchCopyUp(options: CopyUpBenchOptions): Promise<CopyUpBenchReport> {
  const { dir, quick = false, signal, onRow } = options;
  const rows: CopyUpBenchRow[] = [];
  await inScratchDirectory(dir, async (directory) => {
    const plan = benchPlan(directory, freeSpace(dir).bytes, quick);
    for (const set of copyUpBenchSets(plan, quick)) {
      try {
        for (const row of await measure(set, samplesFor(set.bytes, quick), signal)) {
          rows.push(row);
          onRow?.(row);
        }
      } finally {
        await set.close();
      }
    }
  });
  return {
    kernel: release(),
    dir,
    fileSystem: fileSystemOf(dir),
    cpus: availableParallelism(),
    rows,
  };
}

/** Gives `act` a fresh directory below `dir`, and takes it away. */
async function inScratchDirectory(dir: string, act: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(dir, 'gantry-copyup-bench-'));
  try {
    await act(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** All sets, in order. */
export function* copyUpBenchSets(plan: BenchPlan, quick: boolean): Generator<BenchSet> {
  yield* benchSets(plan);
  const most = 2 * availableParallelism();
  for (const [count, bytes] of quick ? THREAD_LOADS.slice(0, 1) : THREAD_LOADS) {
    for (let threads = 1; threads <= most; threads *= 2)
      yield threadSet(plan.directory, { count, bytes, threads });
  }
}

function threadSet(
  parent: string,
  { count, bytes, threads }: { readonly count: number; readonly bytes: number; readonly threads: number },
): BenchSet {
  const directory = join(parent, `threads-${bytes}-${threads}`);
  mkdirSync(directory);
  const files = makeLowerFiles(directory, { bytes, count });
  const fresh = new FreshFiles(files, 'plain');
  const pool = new Pool('copyup', threads);
  const words = new ProgressWords().shared;
  // As many tasks at a time as threads, each with its share, so that what is measured is not the queue.
  const shares = Array.from({ length: threads }, (_, at) =>
    files.names.filter((_name, index) => index % threads === at),
  );
  return {
    group: 'threads',
    bytes,
    value: threads,
    cases: [
      {
        name: `${count} files`,
        once: async () => {
          const { fd: root, upper } = fresh.renew();
          const started = performance.now();
          await Promise.all(shares.map((paths) => pool.run('copyUp', { root, upper, paths, words })));
          return performance.now() - started;
        },
      },
    ],
    close: async () => {
      await pool.close();
      fresh.close();
      if (bytes >= MiB) rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A small file is copied in the time of one fsync, which spreads most. */
function samplesFor(bytes: number, quick: boolean): number {
  const [small, medium, big] = quick ? [15, 5, 3] : [31, 15, 3];
  return bytes <= 64 * KiB ? small : bytes <= MiB ? medium : big;
}

/** The first round is not counted: it starts threads and fills caches. */
async function measure(set: BenchSet, samples: number, signal?: AbortSignal): Promise<CopyUpBenchRow[]> {
  const taken = set.cases.map((): number[] => []);
  for (let round = 0; round <= samples; round++) {
    for (const [at, { once }] of set.cases.entries()) {
      await turn(); // a signal is seen between two samples
      if (signal?.aborted) throw new GantryError('ERR_CANCELED', 'the bench was canceled');
      const ms = await once();
      if (round > 0) taken[at]!.push(ms);
    }
  }
  const { group, bytes, value } = set;
  return set.cases.map(({ name }, at) => {
    const sorted = taken[at]!.sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1]!;
    return { group, name, bytes, value, samples, median, min: sorted[0]!, max: sorted.at(-1)! };
  });
}

/** The type of the mount that a path lies on: the longest mount point above it. */
function fileSystemOf(dir: string): string {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at]) => at !== undefined && `${dir}/`.startsWith(at === '/' ? '/' : `${at}/`));
  return mounts.sort((a, b) => b[1]!.length - a[1]!.length)[0]?.[2] ?? 'unknown';
}
