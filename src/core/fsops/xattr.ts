/**
 * Extended attributes by path, links not followed. Names and values are bytes on disk; names are given as latin1
 * strings so that any byte survives, values as Uint8Array.
 */
import { bind, check, cstring, E, errno } from './libc.js';

type Pointer = Uint8Array | null;
const libc = {
  set: bind<(p: Uint8Array, n: Uint8Array, v: Uint8Array, size: number, flags: number) => number>(
    'int lsetxattr(const void*, const void*, const void*, size_t, int)',
  ),
  get: bind<(p: Uint8Array, n: Uint8Array, v: Pointer, size: number) => number>(
    'long lgetxattr(const void*, const void*, void*, size_t)',
  ),
  getFollowing: bind<(p: Uint8Array, n: Uint8Array, v: Pointer, size: number) => number>(
    'long getxattr(const void*, const void*, void*, size_t)',
  ),
  list: bind<(p: Uint8Array, v: Pointer, size: number) => number>(
    'long llistxattr(const void*, void*, size_t)',
  ),
  listFollowing: bind<(p: Uint8Array, v: Pointer, size: number) => number>(
    'long listxattr(const void*, void*, size_t)',
  ),
};

type Path = string | Uint8Array;
const show = (path: Path, name = ''): string => `${Buffer.from(path).toString()}${name && ` (${name})`}`;
const nameBytes = (name: string): Buffer => cstring(Buffer.from(name, 'latin1'));

export function setXattr(path: Path, name: string, value: Uint8Array): void {
  // An empty view has no address to pass; the kernel reads none of it either.
  const bytes = value.length > 0 ? value : Buffer.alloc(1);
  check(libc.set(cstring(path), nameBytes(name), bytes, value.length, 0), 'lsetxattr', show(path, name));
}

/** The value, or undefined when the attribute (or the file system's support for it) is not there. */
export const getXattr = (path: Path, name: string): Buffer | undefined => read(libc.get, path, name);

/** The same of an object that is held by a descriptor, also by one for looking only (O_PATH). */
export const getXattrOf = (fd: number, name: string): Buffer | undefined =>
  read(libc.getFollowing, `/proc/self/fd/${fd}`, name);

function read(get: typeof libc.get, path: Path, name: string): Buffer | undefined {
  const file = cstring(path);
  const attribute = nameBytes(name);
  for (;;) {
    const size = get(file, attribute, null, 0);
    if (size < 0) {
      if (errno() === E.ENODATA || errno() === E.EOPNOTSUPP) return undefined;
      check(-1, 'lgetxattr', show(path, name));
    }
    const value = Buffer.alloc(Math.max(1, size));
    const got = get(file, attribute, value, size);
    if (got >= 0) return value.subarray(0, got);
    if (errno() !== E.ERANGE) check(-1, 'lgetxattr', show(path, name));
  }
}

export const listXattrs = (path: Path): string[] => list(libc.list, path);

export const listXattrsOf = (fd: number): string[] => list(libc.listFollowing, `/proc/self/fd/${fd}`);

function list(names: typeof libc.list, path: Path): string[] {
  const file = cstring(path);
  for (;;) {
    const size = names(file, null, 0);
    if (size < 0 && errno() === E.EOPNOTSUPP) return [];
    check(size, 'llistxattr', show(path));
    if (size === 0) return [];
    const found = Buffer.alloc(size);
    const got = names(file, found, size);
    if (got >= 0) return found.toString('latin1', 0, got).split('\0').filter(Boolean);
    if (errno() !== E.ERANGE) check(-1, 'llistxattr', show(path));
  }
}
