/**
 * Copies files up, with several threads where that pays. To start them takes some 100 ms, and few or small files are over
 * by then, so this thread begins with the smallest until it sees that what is left takes longer.
 */
import { type CopyUpOutcome, copyUpFiles, isFull } from '../copyup/copy-up-file.js';
import type { Target } from '../copyup/warm-targets.js';
import type { ProgressWords } from '../core/progress-words.js';
import { Pool } from './pool.js';

export interface CopyUpPlace {
  /** The merged view's root, a descriptor of this process. */
  readonly root: number;
  /** The upper directory. */
  readonly upper: string;
  readonly threads: number;
  /** Its cancel ends the work between two files. */
  readonly words: ProgressWords;
}

export type TargetOutcome = Target & CopyUpOutcome;

/** How long this thread copies before it looks up: for a signal, and for whether the rest is worth threads. */
const SLICE_MS = 50;
const THREADS_PAY_MS = 250;
/** Of what is in the cache; a disk makes threads pay sooner. */
const BYTES_PER_MS = 1_000_000;
/** A task is worth its message, and short enough that threads end together. */
const TASK_BYTES = 4 * 1024 * 1024;
const TASK_FILES = 32;

/** `targets`: the biggest first. Fewer outcomes than targets when it was canceled or the disk is full. ERR_WORKER_DIED. */
export async function copyUpTargets(
  targets: readonly Target[],
  place: CopyUpPlace,
): Promise<TargetOutcome[]> {
  const done: TargetOutcome[] = [];
  const { root, upper, threads, words } = place;
  const began = performance.now();
  let left = targets.toReversed();
  while (left.length > 0 && !words.canceled && !done.some(isFailureOfSpace)) {
    const each = done.length === 0 ? 0 : (performance.now() - began) / done.length;
    const guess = Math.max(each * left.length, dataOf(left) / BYTES_PER_MS);
    if (threads > 1 && left.length > 1 && guess > THREADS_PAY_MS) {
      return [...(await inThreads(left.reverse(), place)), ...done.reverse()];
    }
    const until = performance.now() + SLICE_MS;
    const paths = left.map(({ path }) => path);
    const outcomes = copyUpFiles({ root, upper, paths }, () => performance.now() > until);
    done.push(...outcomes.map((outcome, at) => ({ ...left[at]!, ...outcome })));
    left = left.slice(outcomes.length);
    await new Promise(setImmediate);
  }
  return done.reverse();
}

async function inThreads(
  targets: readonly Target[],
  { root, upper, threads, words }: CopyUpPlace,
): Promise<TargetOutcome[]> {
  const pool = new Pool('copyup', threads);
  try {
    const batches = split(targets);
    // All settle before the root is closed: a descriptor that is used again would lead them elsewhere.
    const results = await Promise.allSettled(
      batches.map(async (batch) => {
        const paths = batch.map(({ path }) => path);
        const outcomes = await pool.run('copyUp', { root, upper, paths, words: words.shared });
        if (outcomes.some(isFailureOfSpace)) words.cancel();
        return outcomes;
      }),
    );
    return results.flatMap((result, at) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value.map((outcome, index) => ({ ...batches[at]![index]!, ...outcome }));
    });
  } finally {
    await pool.close();
  }
}

function split(targets: readonly Target[]): Target[][] {
  const batches: Target[][] = [];
  let room = 0;
  for (const target of targets) {
    if (batches.length === 0 || room <= 0 || batches.at(-1)!.length === TASK_FILES) {
      batches.push([]);
      room = TASK_BYTES;
    }
    batches.at(-1)!.push(target);
    room -= target.bytes;
  }
  return batches;
}

export const isFailureOfSpace = (outcome: CopyUpOutcome): boolean =>
  outcome.outcome === 'failed' && isFull(outcome.errno);

export const dataOf = (files: readonly { readonly bytes: number }[]): number =>
  files.reduce((sum, { bytes }) => sum + bytes, 0);
