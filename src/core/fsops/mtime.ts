/** The time of a last change, to the nanosecond, which Node's utimes rounds. */
import { closeSync, openSync } from 'node:fs';
import { at } from './at.js';
import { check } from './libc.js';

const SECOND = 1_000_000_000n;
/** Leave the access time alone (utimensat(2)). */
const UTIME_OMIT = (1n << 30n) - 2n;

/** Of a file or directory that can be opened for reading. */
export function setMtime(path: Buffer, mtimeNs: bigint): void {
  const nanoseconds = ((mtimeNs % SECOND) + SECOND) % SECOND; // times before 1970 are negative
  const times = new BigInt64Array([0n, UTIME_OMIT, (mtimeNs - nanoseconds) / SECOND, nanoseconds]);
  const fd = openSync(path, 'r');
  try {
    check(at.futimens(fd, times), 'futimens', path.toString());
  } finally {
    closeSync(fd);
  }
}
