/** Where a file has data and where holes: lseek(2) with SEEK_DATA and SEEK_HOLE. A file system without them has data only. */
import { bind, check, E, errno } from './libc.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const lseek = bind<(fd: number, offset: number, whence: number) => number>(
  'int64_t lseek(int, int64_t, int)',
);

/** The first byte of data at or after `offset`; Infinity when only a hole follows, or the file ends before. */
export function nextData(fd: number, offset: number): number {
  const found = Number(lseek(fd, offset, SEEK_DATA));
  return found < 0 && errno() === E.ENXIO ? Number.POSITIVE_INFINITY : check(found, 'lseek', `fd ${fd}`);
}

/** The first byte of a hole at or after `offset`, which is in the file; its end counts as one. */
export const nextHole = (fd: number, offset: number): number =>
  check(Number(lseek(fd, offset, SEEK_HOLE)), 'lseek', `fd ${fd}`);
