/**
 * Something done where one mount is not to be seen, in a mount namespace that only what is begun there keeps:
 *
 *   unshare(CLONE_NEWNS) ─ mount / as rslave ─ umount2(path, MNT_DETACH) ─ action ─ setns(back) ─ chroot, chdir back
 *
 * It is this thread alone that goes there: namespaces belong to threads, and CLONE_NEWNS parts it from the others'
 * root, working directory and umask. (From then on a umask or directory that it sets is not that of threads that stood
 * before.) All happens between two turns of the event loop, so nothing else of this thread sees it. Slave: what is
 * unmounted there stays mounted here. setns(2) puts root and working directory at the namespace's root.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { O } from '../core/fsops/at.js';
import { bind, check } from '../core/fsops/libc.js';
import { MNT_DETACH, MS, mount, umount } from '../core/fsops/mount.js';

const CLONE_NEWNS = 0x20000;
const OWN = '/proc/thread-self/ns/mnt';

const unshare = bind<(flags: number) => number>('int unshare(int)');
const setns = bind<(fd: number, type: number) => number>('int setns(int, int)');
const fchdir = bind<(fd: number) => number>('int fchdir(int)');
const chroot = bind<(path: string) => number>('int chroot(const char*)');

/** ERR_SYSCALL when it cannot go there; nothing has changed then. `action` must be synchronous. */
export function withoutMount<T>(path: string, action: () => T): T {
  const opened: number[] = [];
  const open = (what: string, flags: number): number => {
    const fd = openSync(what, flags);
    opened.push(fd);
    return fd;
  };
  try {
    const home = open(OWN, O.RDONLY);
    const root = open('/', O.PATH | O.DIRECTORY);
    const directory = open('.', O.PATH | O.DIRECTORY);
    check(unshare(CLONE_NEWNS), 'unshare(CLONE_NEWNS)', 'this thread');
    try {
      mount({ source: null, target: '/', flags: MS.REC | MS.SLAVE });
      umount(path, MNT_DETACH);
      return action();
    } finally {
      goBack(home, root, directory);
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** A mount namespace in which one mount is not there; others can enter it while it is open, by our /proc/<pid>/fd. */
export interface View {
  readonly namespace: number;
  /** This process's root directory, as it is in there. */
  readonly root: number;
  close(): void;
}

export function openView(path: string): View {
  return withoutMount(path, () => {
    const namespace = openSync(OWN, O.RDONLY);
    const root = openSync('/', O.RDONLY | O.DIRECTORY);
    return {
      namespace,
      root,
      close: () => {
        for (const fd of [namespace, root]) closeSync(fd);
      },
    };
  });
}

/** Whoever went on in the other namespace would unmount there what stays mounted here, and write down that it is gone. */
function goBack(home: number, root: number, directory: number): void {
  try {
    check(setns(home, CLONE_NEWNS), 'setns', 'own mount namespace');
    check(fchdir(root), 'fchdir', '/');
    check(chroot('.'), 'chroot', '/');
    check(fchdir(directory), 'fchdir', 'the working directory');
  } catch (error) {
    writeSync(2, `gantry: lost its mount namespace: ${(error as Error).message}\n`);
    process.abort();
  }
}
