/** flock(2): the kernel drops the lock when the last descriptor closes, so a killed process holds none. */
import { bind, check, E, errno } from './libc.js';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = bind<(fd: number, operation: number) => number>('int flock(int, int)');

/** Tries to lock without waiting; false when somebody else holds it. */
export function tryFlock(fd: number, mode: 'shared' | 'exclusive', object: string): boolean {
  if (flock(fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  if (errno() === E.EWOULDBLOCK || errno() === E.EINTR) return false;
  check(-1, 'flock', object);
  return false;
}
