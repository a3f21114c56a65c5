/**
 * Opening what an image holds from the host: openat2(2) with RESOLVE_IN_ROOT, so that no link or `..` in the image,
 * and no rename by a running container, leads out of its root (CVE-2024-9676, CVE-2026-55686).
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { O, opener, RESOLVE } from '../core/fsops/at.js';
import { check, cstring, E, errno } from '../core/fsops/libc.js';
import { invalid } from './flags/invalid.js';

const ACCOUNT_FILE_BYTES = 8 * 1024 * 1024;

/** A descriptor of `path` taken as inside `root`, for the caller to close; undefined when nothing is there. */
export function openBeneath(root: string, path: string, flags: number): number | undefined {
  const open = opener(flags | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS);
  const directory = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (;;) {
      const fd = open(directory, cstring(path));
      if (fd >= 0) return fd;
      if (errno() === E.ENOENT || errno() === E.ENOTDIR) return undefined;
      if (errno() !== E.EAGAIN && errno() !== E.EINTR) check(-1, 'openat2', path); // EAGAIN: a rename raced
    }
  } finally {
    closeSync(directory);
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
