/**
 * Named locks between processes: flock on a file under `<root>/gantry/locks/`. Order, always:
 *
 *   store (shared for use, exclusive for prune) → image → layer → container
 *
 * The last exclusive holder unlinks the file. Who waited on the unlinked file notices that the path has another
 * inode (or none) and starts again, so the folder does not grow and no two hold the same name.
 */
import { closeSync, fstatSync, openSync, statSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError } from './errors.js';
import { tryFlock } from './fsops/flock.js';

export interface Lock {
  /** A child that gets it holds the lock too, and still does when this process was killed. */
  readonly fd: number;
  release(): void;
}

export interface LockOptions {
  readonly mode?: 'shared' | 'exclusive';
  readonly signal?: AbortSignal;
  /** Called once when the lock is not free at the first try. */
  readonly onWait?: () => void;
}

function isCurrent(fd: number, path: string): boolean {
  try {
    return statSync(path).ino === fstatSync(fd).ino;
  } catch {
    return false;
  }
}

/** The lock, or undefined when somebody else holds it. */
export function tryLock(path: string, mode: 'shared' | 'exclusive' = 'exclusive'): Lock | undefined {
  for (;;) {
    const fd = openSync(path, 'a', 0o600);
    let held = false;
    try {
      if (!tryFlock(fd, mode, path)) return undefined;
      held = isCurrent(fd, path);
      if (held) return { fd, release: () => release(fd, path, mode) };
    } finally {
      if (!held) closeSync(fd);
    }
  }
}

function release(fd: number, path: string, mode: 'shared' | 'exclusive'): void {
  try {
    if (mode === 'exclusive') unlinkSync(path);
  } finally {
    closeSync(fd);
  }
}

/** Waits for the lock, polling from 2 ms up to 50 ms: a flock that blocks would stop this thread's event loop. */
export async function lock(path: string, options: LockOptions = {}): Promise<Lock> {
  for (let delay = 2; ; delay = Math.min(50, delay * 2)) {
    const held = tryLock(path, options.mode);
    if (held !== undefined) return held;
    if (delay === 2) options.onWait?.();
    try {
      await sleep(delay, undefined, options.signal ? { signal: options.signal } : {});
    } catch (cause) {
      throw new GantryError('ERR_CANCELED', `canceled while waiting for ${path}`, {}, { cause });
    }
  }
}
