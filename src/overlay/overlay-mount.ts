/**
 * Mounting a stack. All paths in the options are relative to overlay2/, so that 128 lowers fit in one page and a
 * root with `:` or `,` in its name works:
 *
 *   index=off,metacopy=off,redirect_dir=off,lowerdir=l/AAA:l/BBB,upperdir=<id>/diff,workdir=<id>/work   write layer
 *   index=off,metacopy=off,redirect_dir=off,lowerdir=<id>/diff:l/AAA:l/BBB                              layer, read-only
 *
 * The three features are switched off whatever the kernel's defaults are: `index` fails to mount a stack whose lowers
 * changed directories, and with `metacopy` or `redirect_dir` the upper directory alone no longer tells what changed,
 * which commit and diff rely on (containers/storage#640, moby#34342). Linux knows all three since 4.19.
 */
import { closeSync, lstatSync, mkdirSync, openSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';
import { bind, check } from '../core/fsops/libc.js';
import { MNT_DETACH, mount, umount } from '../core/fsops/mount.js';

const fchdir = bind<(fd: number) => number>('int fchdir(int)');
const OFF = 'index=off,metacopy=off,redirect_dir=off';
/** The kernel takes one page of options, NUL included. */
const MAX_OPTIONS = 4095;

export interface Stack {
  /** The overlay2 directory; `lowers` (top first), `upper` and `work` are relative to it. */
  readonly home: string;
  readonly lowers: readonly string[];
  readonly write?: { readonly upper: string; readonly work: string };
  /** Absolute. */
  readonly merged: string;
  readonly volatile?: boolean;
}

/** True when something is mounted at `path`. */
export function isMounted(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev !== lstatSync(dirname(path)).dev;
}

/**
 * Mounts at `merged`, which is made 0700. A kernel without `volatile` (before 5.10) mounts without it: slower, as safe.
 * ERR_SYSCALL when the kernel refuses.
 */
export function mountStack(stack: Stack): void {
  const write = stack.write ? `,upperdir=${stack.write.upper},workdir=${stack.write.work}` : '';
  const data = `${OFF},lowerdir=${stack.lowers.join(':')}${write}`;
  if (data.length + ',volatile'.length > MAX_OPTIONS) {
    throw new GantryError(
      'ERR_LAYER_INVALID',
      `expected at most ${MAX_OPTIONS} bytes of mount options, found ${data.length} for ${stack.lowers.length} layers`,
    );
  }
  mkdirSync(stack.merged, { recursive: true, mode: 0o700 });
  try {
    within(stack.home, () => {
      const call = { source: 'overlay', target: stack.merged, type: 'overlay' };
      if (stack.volatile) {
        try {
          return mount({ ...call, data: `${data},volatile` });
        } catch (error) {
          if (errnoCode(error) !== 'EINVAL') throw error;
        }
      }
      return mount({ ...call, data });
    });
  } catch (error) {
    rmdirSync(stack.merged);
    throw error;
  }
}

/**
 * Detaches, then removes the mount point: removing it makes the kernel drop the mount in every other mount namespace
 * that still has it, which otherwise keeps the upper directory busy.
 */
export function unmountStack(merged: string): void {
  for (;;) {
    const detached = detach(merged);
    try {
      rmdirSync(merged);
      return;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return;
      if (!detached || errnoCode(error) !== 'EBUSY') throw error; // EBUSY: it was mounted over another
    }
  }
}

/** False where nothing is mounted. */
function detach(merged: string): boolean {
  try {
    umount(merged, MNT_DETACH);
    return true;
  } catch (error) {
    if (errnoCode(error) === 'EINVAL' || errnoCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Runs `action` with another working directory, by descriptor, so that a working directory that was deleted
 * can be returned to. The directory is the process's: `action` is synchronous, and gantry opens absolute paths only.
 */
function within(directory: string, action: () => void): void {
  const back = openSync('.', 'r');
  const there = openSync(directory, 'r');
  try {
    check(fchdir(there), 'fchdir', directory);
    try {
      action();
    } finally {
      check(fchdir(back), 'fchdir', 'the working directory');
    }
  } finally {
    closeSync(there);
    closeSync(back);
  }
}
