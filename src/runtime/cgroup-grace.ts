/**
 * The first process that is moved into a cgroup waits: the kernel's lock against forks is taken for it, and its writer
 * waits for an RCU grace period, 4 to 12 ms at 250 Hz. Who comes within one more period finds the lock as the one before left it
 * and waits for nothing. The runtime moves each container, so a start begins with moves that change nothing, of this process into the
 * cgroup in which it is, on a thread of libuv's: the wait is over when the runtime comes to it.
 *
 *   prepare ─ move … 8 ms … ─ spawn the runtime ─ move ─ move ─ (the runtime's move) ─ created: no more
 *
 * Kernel: cgroup_attach_lock in kernel/cgroup/cgroup.c, percpu_down_write, and rcu_sync_enter in kernel/rcu/sync.c.
 */
import { close, openSync, write } from 'node:fs';
import { join } from 'node:path';
import { type CgroupFiles, type CgroupLayout, hostFiles } from './cgroup-layout.js';

const MEMBERSHIP = '/proc/self/cgroup';
/** Shorter than a grace period. */
const AGAIN_MS = 5;

export interface CgroupGrace {
  /** The runtime has made its move, or never will. */
  readonly end: () => void;
}

/** To be called some 10 ms before the runtime. Where this process may not write there, the runtime waits instead. */
export function beginCgroupGrace(cgroups: CgroupLayout, files: CgroupFiles = hostFiles): CgroupGrace {
  const membership = files.read(MEMBERSHIP) ?? '';
  const path = ownProcs(cgroups, membership);
  // Where the mount is another cgroup namespace's, the file may be another cgroup's, and the write would move us.
  const members = path === undefined ? undefined : files.read(path);
  if (path === undefined || !members?.split('\n').includes(String(process.pid))) return { end: () => {} };
  const move = (): void => {
    if (files.read(MEMBERSHIP) !== membership) {
      clearInterval(timer); // somebody has moved us, and means it
      return;
    }
    try {
      const fd = openSync(path, 'r+');
      write(fd, '0', () => close(fd)); // 0 is who writes
    } catch {
      clearInterval(timer);
    }
  };
  const timer = setInterval(move, AGAIN_MS).unref();
  move();
  return { end: () => clearInterval(timer) };
}

/**
 * `cgroup.procs` of the cgroup that `/proc/self/cgroup` names; undefined where it cannot be seen from here.
 *
 *   5:cpu,cpuacct:/build   0::/user.slice
 */
export function ownProcs({ controllers }: CgroupLayout, membership: string): string | undefined {
  const [first] = controllers;
  if (first === undefined) return undefined;
  const [controller, mount] = first;
  const lines = membership.split('\n').map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []);
  const named = lines.find(([, names]) => names?.split(',').includes(controller));
  const path = (named ?? lines.find(([, names]) => names === ''))?.[2];
  return path === undefined || path.startsWith('/..') ? undefined : join(mount, path, 'cgroup.procs');
}
