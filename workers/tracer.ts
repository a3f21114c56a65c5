/**
 * The tracer thread: watches one container's copy-ups until it is told to stop, then collects what became of them. A
 * thread of its own, because a time is taken when an event is read: it does nothing but wait for events meanwhile.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type Collected, collectCopies } from '../src/copyup/collect.js';
import { CopyWatch, type Watched, type WatchedMount } from '../src/copyup/copy-watch.js';
import { LowerFiles } from '../src/copyup/lower-files.js';
import { Precedence } from '../src/copyup/precedence.js';
import { toWire, type WireError } from '../src/core/wire-error.js';

export interface TracerData {
  readonly mount: WatchedMount;
  /** Topmost first. */
  readonly lowers: readonly string[];
  /** False: only collect. */
  readonly watch: boolean;
  /** One number, shared: 1 says stop. */
  readonly stop: Int32Array;
}

export type TracerNotice =
  /** Whatever is copied up from now on is seen; or why it is not. */
  | { readonly tell: 'armed'; readonly refused?: WireError }
  | { readonly tell: 'done'; readonly traced: Traced }
  | { readonly tell: 'failed'; readonly error: WireError };

export type Traced = Collected & {
  readonly watched?: Pick<Watched, 'startedAt' | 'durationMs' | 'overflows'>;
};

/** How long a stop may go unseen, and a process that wrote a file, which may end meanwhile. */
const PATIENCE_MS = 5;

const { mount, lowers, watch: wanted, stop } = workerData as TracerData;
const tell = (notice: TracerNotice): void => parentPort!.postMessage(notice);

/** Undefined, and the reason told, where it is not to be had. */
function arm(): CopyWatch | undefined {
  let watch: CopyWatch | undefined;
  try {
    if (wanted) watch = new CopyWatch(mount);
    tell({ tell: 'armed' });
  } catch (error) {
    tell({ tell: 'armed', refused: toWire(error) });
  }
  return watch;
}

try {
  // Before anything can be removed: the lower files of copies are looked at in the end.
  const below = new LowerFiles(lowers);
  const watch = arm();
  if (watch) {
    const precedence = new Precedence();
    while (Atomics.load(stop, 0) === 0) {
      watch.next(PATIENCE_MS);
      precedence.judge(watch.sleptMs);
    }
    precedence.end();
  }
  Atomics.wait(stop, 0, 0);
  const watched = watch?.finish();
  const upper = mount.upper;
  const collected = collectCopies({ upper, below, ...(watched === undefined ? {} : { watched }) });
  below.close();
  if (watched === undefined) tell({ tell: 'done', traced: collected });
  else {
    const { startedAt, durationMs, overflows } = watched;
    tell({ tell: 'done', traced: { ...collected, watched: { startedAt, durationMs, overflows } } });
  }
} catch (error) {
  tell({ tell: 'failed', error: toWire(error) });
}
