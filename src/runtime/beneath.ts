/**
 * Opening what an image holds from the host: openat2(2) with RESOLVE_IN_ROOT, so that no link or `..` in the image,
 * and no rename by a running container, leads out of its root (CVE-2024-9676, CVE-2026-55686).
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { bind, check, cstring, E, errno } from '../core/fsops/libc.js';
import { invalid } from './flags/invalid.js';

const SYS_openat2 = 437; // the same on every architecture
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const ACCOUNT_FILE_BYTES = 8 * 1024 * 1024;

const syscall = bind<
  (number: number, dirfd: number, path: Uint8Array, how: BigUint64Array, size: number) => number
>('long syscall(long, int, const void*, const void*, size_t)');

/** A descriptor of `path` taken as inside `root`, for the caller to close; undefined when nothing is there. */
export function openBeneath(root: string, path: string, flags: number): number | undefined {
  const dirfd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const O_CLOEXEC = 0o2000000;
    const how = new BigUint64Array([
      BigInt(flags | O_CLOEXEC),
      0n,
      BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
    ]);
    for (;;) {
      const fd = syscall(SYS_openat2, dirfd, cstring(path), how, how.byteLength);
      if (fd >= 0) return fd;
      if (errno() === E.ENOENT || errno() === E.ENOTDIR) return undefined;
      if (errno() !== E.EAGAIN && errno() !== E.EINTR) check(-1, 'openat2', path); // EAGAIN: a rename raced
    }
  } finally {
    closeSync(dirfd);
  }
}

/** The text of a small regular file inside `root`; empty when there is none. A FIFO or device is refused, never waited on. */
export function readBeneath(root: string, path: string): string {
  const fd = openBeneath(root, path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  if (fd === undefined) return '';
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > ACCOUNT_FILE_BYTES) {
      throw invalid(
        `${path} of the image: expected a regular file of at most 8 MiB, found ${stat.size} bytes`,
      );
    }
    const bytes = Buffer.alloc(stat.size);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
