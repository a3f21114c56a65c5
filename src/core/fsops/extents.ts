/** Where the bytes of a sparse file are: lseek(2) with SEEK_DATA and SEEK_HOLE. What lies between is zeros. */
import { bind, check, E, errno } from './libc.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const lseek = bind<(fd: number, offset: number, whence: number) => number>(
  'int64_t lseek(int, int64_t, int)',
);

export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** The stretches of data below `size`, in order. A file system that knows no holes gives one. */
export function* dataExtents(fd: number, size: number): Generator<Extent> {
  for (let at = 0; at < size; ) {
    const start = Number(lseek(fd, at, SEEK_DATA));
    if (start < 0 && errno() === E.ENXIO) return; // a hole to the end
    if (check(start, 'lseek', `descriptor ${fd}`) >= size) return;
    const end = Math.min(size, check(Number(lseek(fd, start, SEEK_HOLE)), 'lseek', `descriptor ${fd}`));
    yield { start, end };
    at = end;
  }
}
