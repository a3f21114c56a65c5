/**
 * A network namespace that outlives the process that made it: the kernel's file of it bind mounted over one of ours,
 * as `ip netns` does. Its loopback is up.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { errnoCode } from '../../core/errors.js';
import { bind, check } from '../../core/fsops/libc.js';
import { MNT_DETACH, MS, mount, umount } from '../../core/fsops/mount.js';
import { setInterface } from './interface.js';

const CLONE_NEWNET = 0x40000000;
const OWN = '/proc/thread-self/ns/net';

const unshare = bind<(flags: number) => number>('int unshare(int)');
const setns = bind<(fd: number, type: number) => number>('int setns(int, int)');

/** Makes it at `path`, where nothing is yet. */
export function makeNamespace(path: string): void {
  closeSync(openSync(path, 'wx', 0o600));
  elsewhere(
    () => check(unshare(CLONE_NEWNET), 'unshare(CLONE_NEWNET)', path),
    () => {
      mount({ source: OWN, target: path, flags: MS.BIND });
      setInterface('lo', 'up');
    },
  );
}

/** Calls `act` inside the one at `path`: /proc/thread-self/net is its own there. */
export function inNamespace<T>(path: string, act: () => T): T {
  const there = openSync(path, constants.O_RDONLY);
  try {
    return elsewhere(() => check(setns(there, CLONE_NEWNET), 'setns', path), act);
  } finally {
    closeSync(there);
  }
}

/** Only this thread changes over, and is back before anything else runs. */
function elsewhere<T>(go: () => void, act: () => T): T {
  const own = openSync(OWN, constants.O_RDONLY);
  try {
    go();
    try {
      return act();
    } finally {
      check(setns(own, CLONE_NEWNET), 'setns', 'own network namespace');
    }
  } finally {
    closeSync(own);
  }
}

/** Lets it go; it ends with its last process. The file is left to the caller. */
export function releaseNamespace(path: string): void {
  try {
    umount(path, MNT_DETACH);
  } catch (error) {
    // Never mounted, or never made.
    if (!['EINVAL', 'ENOENT'].includes(errnoCode(error) ?? '')) throw error;
  }
}
