/** What a tar says of a file, asked of its descriptor alone (O_PATH will do): nothing here goes by a path. */
import type { BigIntStats } from 'node:fs';
import { bind, check, cstring } from '../fsops/libc.js';
import { LIMITS } from '../limits.js';
import type { NewEntry } from './writer.js';

const readlinkat = bind<(fd: number, name: Uint8Array, buffer: Uint8Array, size: number) => number>(
  'long readlinkat(int, const void*, void*, size_t)',
);

/**
 * The entry under `name` (latin1, no slash at the end; '' is the top), without extended attributes. Undefined for a
 * socket, which is nothing without its process.
 */
export function treeEntry(fd: number, stat: BigIntStats, name: string): NewEntry | undefined {
  const seconds = stat.mtimeNs / 1_000_000_000n - (stat.mtimeNs % 1_000_000_000n < 0n ? 1n : 0n);
  const entry: Omit<NewEntry, 'type'> = {
    name,
    linkname: '',
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: 0,
    mtime: Number(seconds),
    mtimeNanos: Number(stat.mtimeNs - seconds * 1_000_000_000n),
    major: 0,
    minor: 0,
    xattrs: undefined,
  };
  if (stat.isDirectory()) return { ...entry, type: 'directory', name: name === '' ? './' : `${name}/` };
  if (stat.isSymbolicLink()) return { ...entry, type: 'symlink', linkname: target(fd, name) };
  if (stat.isFile()) return { ...entry, type: 'file', size: Number(stat.size) };
  if (stat.isFIFO()) return { ...entry, type: 'fifo' };
  if (stat.isCharacterDevice()) return { ...entry, ...numbers(stat.rdev), type: 'char' };
  if (stat.isBlockDevice()) return { ...entry, ...numbers(stat.rdev), type: 'block' };
  return undefined;
}

function target(fd: number, name: string): string {
  const buffer = Buffer.alloc(LIMITS.pathBytes);
  const length = check(readlinkat(fd, cstring(''), buffer, buffer.length), 'readlinkat', name);
  return buffer.toString('latin1', 0, length);
}

/** dev_t as glibc unpacks it. */
const numbers = (device: bigint): { major: number; minor: number } => ({
  major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
  minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
});
