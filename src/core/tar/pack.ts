/**
 * A file or a tree as a tar, read through descriptors alone: each name is opened in its directory without following
 * a link, and all else is asked of what was opened, so that whoever changes the tree meanwhile (a live container)
 * makes us read something else of that tree, never something outside.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statfsSync } from 'node:fs';
import { at, O } from '../fsops/at.js';
import { bind, check, cstring, E, errno, syscallError } from '../fsops/libc.js';
import { LIMITS } from '../limits.js';
import { treeEntry } from './tree-entry.js';
import { type NewEntry, paddingOf, tarHeader } from './writer.js';

const CHUNK = 256 * 1024;
/** linux/magic.h: proc, sysfs, cgroup, cgroup2, devpts, mqueue hold no files to copy, and proc no end of them. */
const PSEUDO = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x19800202]);
const CAPABILITY = 'security.capability';

const fgetxattr = bind<(fd: number, name: Uint8Array, value: Uint8Array, size: number) => number>(
  'long fgetxattr(int, const void*, void*, size_t)',
);

/**
 * The archive's bytes without its end mark. `fd` is the top (O_PATH will do) and is left open; `as` is its name in the
 * archive, latin1, '' for a directory whose contents alone are named. A view is valid until the next one is asked for.
 */
export function packTree(fd: number, as: string): Generator<Buffer> {
  const links = new Map<string, string>();
  const chunk = Buffer.from(new ArrayBuffer(CHUNK));
  return pack(fd, as, 0);

  function* pack(from: number, name: string, depth: number): Generator<Buffer> {
    if (depth > LIMITS.pathDepth) throw syscallError('open', name, E.ENAMETOOLONG);
    const stat = fstatSync(from, { bigint: true });
    const entry = treeEntry(from, stat, name);
    if (entry === undefined) return;
    if (entry.type === 'directory') {
      yield tarHeader(entry);
      yield* children(from, name, depth);
      return;
    }
    const inode = `${stat.dev}:${stat.ino}`;
    const first = links.get(inode);
    if (first !== undefined) {
      yield tarHeader({ ...entry, type: 'link', linkname: first, size: 0 });
      return;
    }
    if (stat.nlink > 1n) links.set(inode, name);
    if (entry.type === 'file') yield* contents(from, entry);
    else yield tarHeader(entry);
  }

  function* children(from: number, name: string, depth: number): Generator<Buffer> {
    const path = `/proc/self/fd/${from}`;
    if (PSEUDO.has(statfsSync(path).type)) return;
    for (const child of readdirSync(path, 'latin1').sort()) {
      const fd = at.open(from, cstring(Buffer.from(child, 'latin1')), O.PATH | O.NOFOLLOW | O.CLOEXEC, 0);
      if (fd < 0 && errno() === E.ENOENT) continue; // it went meanwhile
      check(fd, 'open', child);
      try {
        yield* pack(fd, name === '' ? child : `${name}/${child}`, depth + 1);
      } finally {
        at.close(fd);
      }
    }
  }

  /** As many bytes as the header says, whatever becomes of the file meanwhile. */
  function* contents(from: number, entry: NewEntry): Generator<Buffer> {
    const fd = openSync(`/proc/self/fd/${from}`, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      yield tarHeader({ ...entry, xattrs: capability(fd) });
      for (let left = entry.size; left > 0; ) {
        const wanted = Math.min(CHUNK, left);
        const got = readSync(fd, chunk, 0, wanted, null);
        if (got === 0) chunk.fill(0, 0, wanted);
        yield chunk.subarray(0, got || wanted);
        left -= got || wanted;
      }
      yield paddingOf(entry.size);
    } finally {
      closeSync(fd);
    }
  }
}

function capability(fd: number): ReadonlyMap<string, string> | undefined {
  const value = Buffer.alloc(64);
  const length = fgetxattr(fd, cstring(CAPABILITY), value, value.length);
  return length > 0 ? new Map([[CAPABILITY, value.toString('latin1', 0, length)]]) : undefined;
}
