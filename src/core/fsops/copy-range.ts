/** copy_file_range(2): the kernel copies between two files; where the file system can, it shares the blocks. */
import { bind, check } from './libc.js';

const copyFileRange = bind<
  (from: number, offset: null, to: number, into: null, length: number, flags: number) => number
>('long copy_file_range(int, void*, int, void*, size_t, unsigned int)');

/** Copies `length` bytes between the files' positions. Throws ERR_SYSCALL (EXDEV, EOPNOTSUPP where it cannot). */
export function copyRange(from: number, to: number, length: number): void {
  for (let left = length; left > 0; ) {
    const copied = check(
      Number(copyFileRange(from, null, to, null, left, 0)),
      'copy_file_range',
      `fd ${from}`,
    );
    if (copied === 0) return; // the file ended before
    left -= copied;
  }
}
