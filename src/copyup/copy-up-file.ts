/**
 * Copy-up on purpose: the kernel does it when a file of the merged view is opened for writing, and it is done when open
 * returns. Nothing is written, so content, owner, mode, xattrs and mtime stay; it is as safe beside a running container
 * as the container's own open would be.
 *
 *   look   openat2(root, path, O_PATH)                       never waits for a FIFO, never touches a device
 *   open   /proc/self/fd/<that one>, O_WRONLY, no O_TRUNC    the same object, whatever the path leads to by now
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { errnoCode } from '../core/errors.js';
import { at, O } from '../core/fsops/at.js';
import { openInRoot, procPath } from '../core/fsops/in-root.js';

export interface CopyUpRequest {
  /** The merged view's root, a descriptor of this process. */
  readonly root: number;
  /** The upper directory. */
  readonly upper: string;
  /** Real paths inside both, raw bytes as latin1. */
  readonly paths: readonly string[];
}

/** `present`: it was in the upper directory already. `gone`: there is no such file any more. */
export type CopyUpOutcome =
  | { readonly outcome: 'copied'; readonly ms: number }
  | { readonly outcome: 'present' }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'failed'; readonly errno: string };

/** One outcome for each path; `stop` is asked before each. Ends at the first file that finds no space. */
export function copyUpFiles(request: CopyUpRequest, stop: () => boolean): CopyUpOutcome[] {
  const upper = openSync(request.upper, O.PATH | O.DIRECTORY | O.CLOEXEC);
  try {
    const outcomes: CopyUpOutcome[] = [];
    for (const path of request.paths) {
      if (stop()) break;
      const outcome = copyUpFile(request.root, upper, Buffer.from(path, 'latin1'));
      outcomes.push(outcome);
      if (outcome.outcome === 'failed' && isFull(outcome.errno)) break;
    }
    return outcomes;
  } finally {
    closeSync(upper);
  }
}

export const isFull = (errno: string): boolean => errno === 'ENOSPC' || errno === 'EDQUOT';

function copyUpFile(root: number, upper: number, path: Buffer): CopyUpOutcome {
  const there = openInRoot(upper, path, 'look-without-links');
  if (there !== undefined) {
    at.close(there);
    return { outcome: 'present' };
  }
  const found = openInRoot(root, path, 'look-on-mount');
  if (found === undefined) return { outcome: 'gone' };
  try {
    if (!fstatSync(found).isFile()) return { outcome: 'gone' };
    const started = performance.now();
    closeSync(openSync(procPath(found), constants.O_WRONLY | constants.O_NOCTTY | O.CLOEXEC));
    return { outcome: 'copied', ms: performance.now() - started };
  } catch (error) {
    const errno = errnoCode(error);
    if (errno === undefined) throw error;
    return { outcome: 'failed', errno };
  } finally {
    at.close(found);
  }
}
