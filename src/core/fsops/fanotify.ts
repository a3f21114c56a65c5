/**
 * fanotify(7): a group is a descriptor that marks are added to and events are read from. Only what notifies is bound
 * here, nothing that a process would have to wait for: who stops reading a group stops nobody.
 */
import { bind, check, cstring, E, errno } from './libc.js';

/** include/uapi/linux/fanotify.h */
export const FAN = {
  MODIFY: 0x02,
  ATTRIB: 0x04,
  CLOSE_WRITE: 0x08,
  OPEN: 0x20,
  CREATE: 0x100,
  Q_OVERFLOW: 0x4000,
  EVENT_ON_CHILD: 0x08000000,
  RENAME: 0x10000000,
  ONDIR: 0x40000000,
} as const;

const CLOEXEC = 0x01;
const NONBLOCK = 0x02;
const UNLIMITED_QUEUE = 0x10;
/** Names and handles instead of descriptors (Linux 5.17). */
const REPORT_DFID_NAME_TARGET = 0x1e00;
const MARK_ADD = 0x01;
const MARK_FILESYSTEM = 0x100;
const AT_FDCWD = -100;
/** Of descriptors in events: for looking, and a FIFO does not wait for its other end. */
const O_NONBLOCK = 0o4000;
const O_LARGEFILE = 0o100000;
const O_CLOEXEC = 0o2000000;
const POLLIN = 1;

const libc = {
  init: bind<(flags: number, eventFlags: number) => number>('int fanotify_init(uint32_t, uint32_t)'),
  mark: bind<(group: number, flags: number, mask: number, dir: number, path: Uint8Array) => number>(
    'int fanotify_mark(int, uint32_t, uint64_t, int, const void*)',
  ),
  read: bind<(fd: number, buffer: Uint8Array, length: number) => number>('long read(int, void*, size_t)'),
  poll: bind<(fds: Uint8Array, count: number, timeout: number) => number>('int poll(void*, size_t, int)'),
};

/**
 * `handles`: events tell objects by file handle, and the kernel never drops one. `descriptors`: each event brings an
 * open descriptor, which the caller closes; the queue is bounded. ERR_SYSCALL: EPERM without CAP_SYS_ADMIN, EINVAL or
 * ENOSYS from a kernel that is too old.
 */
export function fanotifyGroup(kind: 'handles' | 'descriptors'): number {
  const flags = kind === 'handles' ? REPORT_DFID_NAME_TARGET | UNLIMITED_QUEUE : 0;
  // The x86-64 kernel sets O_LARGEFILE by itself and its value differs elsewhere.
  const large = process.arch === 'x64' ? O_LARGEFILE : 0;
  return check(libc.init(CLOEXEC | NONBLOCK | flags, O_CLOEXEC | O_NONBLOCK | large), 'fanotify_init', kind);
}

/** Marks one directory or file, or the whole file system that it is on. */
export function fanotifyMark(group: number, what: 'inode' | 'filesystem', mask: number, path: string): void {
  const flags = MARK_ADD | (what === 'filesystem' ? MARK_FILESYSTEM : 0);
  check(libc.mark(group, flags, mask, AT_FDCWD, cstring(path)), 'fanotify_mark', path);
}

/** Reads the events that wait, as many as fit; 0 when there are none. */
export function readEvents(group: number, buffer: Buffer): number {
  const length = libc.read(group, buffer, buffer.length);
  if (length < 0 && (errno() === E.EAGAIN || errno() === E.EINTR)) return 0;
  return check(length, 'read', 'a fanotify group');
}

/** Waits until a descriptor has something to read, or `timeout` milliseconds. */
export function waitReadable(fd: number, timeout: number): void {
  const polled = new Uint8Array(new Int32Array([fd, POLLIN]).buffer);
  const result = libc.poll(polled, 1, timeout);
  if (result < 0 && errno() !== E.EINTR) check(result, 'poll', 'a fanotify group');
}
