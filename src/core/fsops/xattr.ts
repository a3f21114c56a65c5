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
  list: bind<(p: Uint8Array, v: Pointer, size: number) => number>(
    'long llistxattr(const void*, void*, size_t)',
  ),
  listOpen: bind<(p: Uint8Array, v: Pointer, size: number) => number>(
    'long listxattr(const void*, void*, size_t)',
  ),
  getOpen: bind<(p: Uint8Array, n: Uint8Array, v: Pointer, size: number) => number>(
    'long getxattr(const void*, const void*, void*, size_t)',
  ),
  removeOpen: bind<(p: Uint8Array, n: Uint8Array) => number>('int removexattr(const void*, const void*)'),
};

/** linux/limits.h, XATTR_LIST_MAX and XATTR_SIZE_MAX. */
const MOST = 65536;

/**
 * Attributes of what is open, whatever its name leads to by now. The link under /proc/self/fd ends at the object
 * itself, which also serves for descriptors that fgetxattr refuses (O_PATH).
 */
export class OpenXattrs {
  readonly #names = Buffer.alloc(MOST);
  readonly #value = Buffer.alloc(MOST);

  /** Name to value, both latin1; undefined when there are none. */
  read(fd: number): Map<string, string> | undefined {
    const path = cstring(`/proc/self/fd/${fd}`);
    const length = libc.listOpen(path, this.#names, MOST);
    if (length < 0 && errno() !== E.EOPNOTSUPP) check(-1, 'listxattr', show(path));
    if (length <= 0) return undefined;
    const found = new Map<string, string>();
    for (const name of this.#names.toString('latin1', 0, length - 1).split('\0')) {
      const size = libc.getOpen(path, nameBytes(name), this.#value, MOST);
      if (size >= 0) found.set(name, this.#value.toString('latin1', 0, size));
      else if (errno() !== E.ENODATA) check(-1, 'getxattr', show(path, name));
    }
    return found;
  }

  /** One attribute's value, a view that the next call overwrites; undefined when it is not there. */
  get(fd: number, name: string): Buffer | undefined {
    const path = cstring(`/proc/self/fd/${fd}`);
    const size = libc.getOpen(path, nameBytes(name), this.#value, MOST);
    if (size >= 0) return this.#value.subarray(0, size);
    if (errno() !== E.ENODATA && errno() !== E.EOPNOTSUPP) check(-1, 'getxattr', show(path, name));
    return undefined;
  }

  remove(fd: number, name: string): void {
    const path = cstring(`/proc/self/fd/${fd}`);
    if (libc.removeOpen(path, nameBytes(name)) < 0 && errno() !== E.ENODATA)
      check(-1, 'removexattr', show(path, name));
  }
}

type Path = string | Uint8Array;
const show = (path: Path, name = ''): string => `${Buffer.from(path).toString()}${name && ` (${name})`}`;
const nameBytes = (name: string): Buffer => cstring(Buffer.from(name, 'latin1'));

export function setXattr(path: Path, name: string, value: Uint8Array): void {
  // An empty view has no address to pass; the kernel reads none of it either.
  const bytes = value.length > 0 ? value : Buffer.alloc(1);
  check(libc.set(cstring(path), nameBytes(name), bytes, value.length, 0), 'lsetxattr', show(path, name));
}

/** The value, or undefined when the attribute (or the file system's support for it) is not there. */
export function getXattr(path: Path, name: string): Buffer | undefined {
  const file = cstring(path);
  const attribute = nameBytes(name);
  for (;;) {
    const size = libc.get(file, attribute, null, 0);
    if (size < 0) {
      if (errno() === E.ENODATA || errno() === E.EOPNOTSUPP) return undefined;
      check(-1, 'lgetxattr', show(path, name));
    }
    const value = Buffer.alloc(Math.max(1, size));
    const got = libc.get(file, attribute, value, size);
    if (got >= 0) return value.subarray(0, got);
    if (errno() !== E.ERANGE) check(-1, 'lgetxattr', show(path, name));
  }
}

export function listXattrs(path: Path): string[] {
  const file = cstring(path);
  for (;;) {
    const size = libc.list(file, null, 0);
    if (size < 0 && errno() === E.EOPNOTSUPP) return [];
    check(size, 'llistxattr', show(path));
    if (size === 0) return [];
    const names = Buffer.alloc(size);
    const got = libc.list(file, names, size);
    if (got >= 0) return names.toString('latin1', 0, got).split('\0').filter(Boolean);
    if (errno() !== E.ERANGE) check(-1, 'llistxattr', show(path));
  }
}
