/**
 * The *at family for the extractor: raw calls on descriptors and NUL-terminated name bytes. They return what libc
 * returns; the caller looks at errno, because for most of them one errno is part of the normal course.
 * Buffers with contents are passed as addresses (numbers below 2^53) to save a view per call.
 */
import { bind, check, E, errno } from './libc.js';

type Name = Uint8Array;

export const at = {
  open: bind<(dir: number, name: Name, flags: number, mode: number) => number>(
    'int openat(int, const void*, int, int)',
  ),
  mkdir: bind<(dir: number, name: Name, mode: number) => number>('int mkdirat(int, const void*, uint32_t)'),
  mknod: bind<(dir: number, name: Name, mode: number, device: number) => number>(
    'int mknodat(int, const void*, uint32_t, uint64_t)',
  ),
  symlink: bind<(target: Name, dir: number, name: Name) => number>(
    'int symlinkat(const void*, int, const void*)',
  ),
  link: bind<(fromDir: number, from: Name, dir: number, name: Name, flags: number) => number>(
    'int linkat(int, const void*, int, const void*, int)',
  ),
  unlink: bind<(dir: number, name: Name, flags: number) => number>('int unlinkat(int, const void*, int)'),
  chown: bind<(dir: number, name: Name, uid: number, gid: number, flags: number) => number>(
    'int fchownat(int, const void*, uint32_t, uint32_t, int)',
  ),
  chmod: bind<(dir: number, name: Name, mode: number, flags: number) => number>(
    'int fchmodat(int, const void*, uint32_t, int)',
  ),
  utimens: bind<(dir: number, name: Name, times: BigInt64Array, flags: number) => number>(
    'int utimensat(int, const void*, const void*, int)',
  ),
  fchown: bind<(fd: number, uid: number, gid: number) => number>('int fchown(int, uint32_t, uint32_t)'),
  fchmod: bind<(fd: number, mode: number) => number>('int fchmod(int, uint32_t)'),
  futimens: bind<(fd: number, times: BigInt64Array) => number>('int futimens(int, const void*)'),
  fsetxattr: bind<(fd: number, name: Name, value: Uint8Array, size: number, flags: number) => number>(
    'int fsetxattr(int, const void*, const void*, size_t, int)',
  ),
  write: bind<(fd: number, address: number, length: number) => number>('long write(int, uintptr_t, size_t)'),
  pwrite: bind<(fd: number, address: number, length: number, offset: number) => number>(
    'long pwrite(int, uintptr_t, size_t, int64_t)',
  ),
  pread: bind<(fd: number, address: number, length: number, offset: number) => number>(
    'long pread(int, uintptr_t, size_t, int64_t)',
  ),
  ftruncate: bind<(fd: number, length: number) => number>('int ftruncate(int, int64_t)'),
  close: bind<(fd: number) => number>('int close(int)'),
};

export const O = {
  RDONLY: 0,
  WRONLY: 0o1,
  CREAT: 0o100,
  EXCL: 0o200,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
  // The directory and nofollow bits are swapped between x86 and arm (arch/arm64/include/uapi/asm/fcntl.h).
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
  PATH: 0o10000000,
} as const;

export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;

/** include/uapi/linux/openat2.h */
export const RESOLVE = {
  NO_XDEV: 0x01,
  NO_MAGICLINKS: 0x02,
  NO_SYMLINKS: 0x04,
  BENEATH: 0x08,
  IN_ROOT: 0x10,
} as const;

const SYS_OPENAT2 = 437;
const openat2 = bind<(number: number, dir: number, name: Name, how: BigUint64Array, size: number) => number>(
  'long syscall(long, int, const void*, void*, size_t)',
);

/** Under a steady stream of renames elsewhere one try in some thousands meets one. */
const TRIES = 1000;

/**
 * An openat2 with fixed flags, so that its `struct open_how` is laid out once. Returns an fd or -1 with errno.
 * EAGAIN says that something somewhere was renamed or mounted while `..` was resolved (openat2(2)), so it is repeated.
 */
export function opener(flags: number, resolve: number): (dir: number, name: Name) => number {
  const how = new BigUint64Array([BigInt(flags), 0n, BigInt(resolve)]);
  return (dir, name) => {
    let fd = openat2(SYS_OPENAT2, dir, name, how, 24);
    for (let tries = 1; fd < 0 && errno() === E.EAGAIN && tries < TRIES; tries++)
      fd = openat2(SYS_OPENAT2, dir, name, how, 24);
    return fd;
  };
}

const CLONE_FS = 0x200;
const unshare = bind<(flags: number) => number>('int unshare(int)');
const umask = bind<(mask: number) => number>('int umask(uint32_t)');

/**
 * Gives the calling thread a umask of its own, 0, so that open and mkdir make the exact mode and need no chmod.
 * Node refuses process.umask() in a worker because threads share it; unshare(CLONE_FS) ends the sharing.
 */
export function privateUmask(): void {
  check(unshare(CLONE_FS), 'unshare(CLONE_FS)', 'this thread');
  umask(0);
}
