/**
 * The wait of a process that enters a control group of v1, taken beforehand. Whoever writes a pid to `cgroup.procs`
 * shuts out all forks of the machine, and before the first one the kernel waits for an RCU grace period: 5 to 14 ms at
 * 250 Hz, half of the runtime's `create`. One that comes within the next grace period does not wait (kernel/rcu/sync.c):
 *
 *   gantry   ├ "0" into our own cgroup.procs, on a thread of libuv: waits ──────┤
 *            ├ mount, bundle ───────────────── create ─┤ <pid> into gantry/<id>/cgroup.procs: waits no more
 *
 * We are in that group, so nothing moves. With cgroup v2 runtimes clone into the group, which waits for nothing.
 */
import { close, openSync, readFileSync, write } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroup-layout.js';

/** To be called some milliseconds before a container is created. */
export function expectCgroupEntry({ version, controllers }: CgroupLayout): void {
  const [first] = controllers;
  if (version === 'v2' || first === undefined) return;
  try {
    enterAgain(...first);
  } catch {
    // Not ours to write, or not in sight: the runtime waits itself.
  }
}

function enterAgain(controller: string, mount: string): void {
  // 8:pids:/path
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const own = lines.find((line) => line.split(':')[1]?.split(',').includes(controller));
  const path = own?.split(':').slice(2).join(':');
  if (path === undefined) return;
  const file = join(mount, path, 'cgroup.procs');
  // Seen from another cgroup namespace the path may be that of another group.
  if (!readFileSync(file, 'utf8').split('\n').includes(String(process.pid))) return;
  const fd = openSync(file, 'r+');
  // The second finds the first's grace period over and asks for one more: without it, the next may be over too soon.
  let left = 2;
  const done = (): void => {
    if (--left === 0) close(fd);
  };
  for (let time = 0; time < 2; time++) write(fd, '0', done);
}
