/** poll(2) for one descriptor: waits for room in a pipe without trying again and again. */
import { bind } from './libc.js';

const POLLOUT = 4;
const poll = bind<(fds: Uint8Array, count: number, timeout: number) => number>(
  'int poll(void*, unsigned long, int)',
);

/** Blocks this thread until `fd` takes bytes or has failed (the next write tells), at most `ms` milliseconds. */
export function waitWritable(fd: number, ms: number): void {
  const set = Buffer.alloc(8); // struct pollfd { int fd; short events; short revents; }
  set.writeInt32LE(fd, 0);
  set.writeInt16LE(POLLOUT, 4);
  poll(set, 1, ms);
}
