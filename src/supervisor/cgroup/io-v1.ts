/**
 * Block I/O of a cgroup v1: blkio.throttle.io_service_bytes_recursive, or without its ending on old kernels, which
 * count only the cgroup itself.
 *
 *   8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Total 12288\nTotal 12288
 *
 * Recent kernels count nothing (`Total 0`) on a device for which no cgroup has a limit; v1 counts writes through the
 * page cache as nobody's.
 */
import { join } from 'node:path';
import { KernelFile } from '../kernel-file.js';
import type { IoUse } from '../sample.js';
import type { Reader } from './reader.js';

const LOWER_CASE = 0x20;
const R = 0x72;
const W = 0x77;

/** Undefined when the controller is not there. */
export function ioV1(directory: string): Reader<IoUse> | undefined {
  const bytes = join(directory, 'blkio.throttle.io_service_bytes');
  const file = KernelFile.open(`${bytes}_recursive`) ?? KernelFile.open(bytes);
  if (file === undefined) return undefined;
  return {
    read(text) {
      if (!file.read(text)) return undefined;
      let read = 0;
      let written = 0;
      while (text.nextLine()) {
        text.nextWord();
        text.nextWord();
        const operation = text.firstByte() | LOWER_CASE;
        if (operation === R) read += text.nextNumber();
        else if (operation === W) written += text.nextNumber();
      }
      return { read, written };
    },
    close: () => file.close(),
  };
}
