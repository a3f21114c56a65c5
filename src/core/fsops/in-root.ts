/**
 * Opening a path of a layer without leaving the layer: openat2(2) with the layer's directory as the root. Names in
 * layers are hostile, are bytes, and may be longer together than PATH_MAX, so nothing here joins path strings; what
 * was opened is reached again as /proc/self/fd/<n>.
 */
import { readlinkSync } from 'node:fs';
import { O, opener, RESOLVE } from './at.js';
import { cstring, E, errno, syscallError } from './libc.js';

const O_NONBLOCK = 0o4000;
const LOOK = O.PATH | O.NOFOLLOW | O.CLOEXEC;
const openers = {
  /** For looking only (O_PATH). A link at the end is opened itself, one on the way is refused. */
  'look-without-links': opener(LOOK, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS),
  /** For looking only. Links on the way are resolved with the root as `/`; one at the end is opened itself. */
  look: opener(LOOK, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS),
  /** For looking only, at what a link at the end leads to. */
  follow: opener(O.PATH | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS),
  /** As `look` and `follow`, but what lies on another mount (a volume, /proc) is not there. */
  'look-on-mount': opener(LOOK, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV),
  'follow-on-mount': opener(O.PATH | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV),
  /** For reading; a link at the end is refused. Never waits for the other end of a FIFO. */
  read: opener(O.RDONLY | O.NOFOLLOW | O_NONBLOCK | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS),
} as const;

/** EXDEV is that of NO_XDEV. */
const ABSENT: readonly number[] = [E.ENOENT, E.ENOTDIR, E.ELOOP, E.EXDEV];

/**
 * A descriptor that the caller closes, or undefined when there is nothing at that path: also when something on the way
 * is not a directory or is a refused link. `path` is raw bytes; an empty one is the root itself.
 */
export function openInRoot(root: number, path: Uint8Array, how: keyof typeof openers): number | undefined {
  const name = cstring(path.length === 0 ? '.' : path);
  for (;;) {
    const fd = Number(openers[how](root, name));
    if (fd >= 0) return fd;
    const code = errno();
    if (code === E.EAGAIN || code === E.EINTR) continue; // a rename elsewhere raced with `..`
    if (ABSENT.includes(code)) return undefined;
    throw syscallError('openat2', Buffer.from(path).toString(), code);
  }
}

/** The object behind a descriptor as a path; `inside` names an entry of it, `.` the directory itself. */
export const procPath = (fd: number, inside?: Uint8Array): Buffer =>
  inside === undefined
    ? Buffer.from(`/proc/self/fd/${fd}`)
    : Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), inside]);

/** Where an open directory really is, relative to `root`: raw bytes as latin1, '' for the root itself. */
export function realPathInRoot(root: number, fd: number): string {
  const of = (n: number): string => readlinkSync(procPath(n), 'latin1');
  // A root that is `/` (the host's own, a container's as its process has it) already ends in the slash.
  return of(fd).slice(of(root).replace(/\/$/, '').length + 1);
}
