/**
 * File handles (open_by_handle_at(2)): an inode's name that outlives its paths. `struct file_handle` is
 * { u32 bytes; s32 type; u8 handle[bytes] }; here it is kept as these bytes.
 */
import { O } from './at.js';
import { bind, E, errno, syscallError } from './libc.js';

const MAX_HANDLE = 128;
const HEADER = 8;
const AT_EMPTY_PATH = 0x1000;
const EMPTY = Buffer.alloc(1);

const libc = {
  nameTo: bind<
    (dir: number, name: Uint8Array, handle: Uint8Array, mount: Uint8Array, flags: number) => number
  >('int name_to_handle_at(int, const void*, void*, void*, int)'),
  open: bind<(mount: number, handle: Uint8Array, flags: number) => number>(
    'int open_by_handle_at(int, void*, int)',
  ),
};

const ABSENT: readonly number[] = [E.ENOENT, E.ENOTDIR, E.ESTALE, E.EOPNOTSUPP, E.ELOOP];

/** The handle of an open file, also of one for looking only (O_PATH); undefined when its file system has none. */
export function handleOfFile(fd: number): Buffer | undefined {
  const handle = Buffer.alloc(HEADER + MAX_HANDLE);
  handle.writeUInt32LE(MAX_HANDLE, 0);
  if (libc.nameTo(fd, EMPTY, handle, Buffer.alloc(8), AT_EMPTY_PATH) === 0) {
    return handle.subarray(0, HEADER + handle.readUInt32LE(0));
  }
  if (ABSENT.includes(errno())) return undefined;
  throw syscallError('name_to_handle_at', `descriptor ${fd}`);
}

export function makeHandle(type: number, bytes: Uint8Array): Buffer {
  const handle = Buffer.alloc(HEADER + bytes.length);
  handle.writeUInt32LE(bytes.length, 0);
  handle.writeInt32LE(type, 4);
  handle.set(bytes, HEADER);
  return handle;
}

/**
 * A descriptor for looking only (O_PATH), which the caller closes; undefined when the inode is gone. `mount` is any open file or
 * directory of its file system, not one for looking only. Needs CAP_DAC_READ_SEARCH.
 */
export function openHandle(mount: number, handle: Uint8Array): number | undefined {
  const fd = libc.open(mount, handle, O.PATH | O.CLOEXEC);
  if (fd >= 0) return fd;
  if (ABSENT.includes(errno())) return undefined;
  throw syscallError('open_by_handle_at', Buffer.from(handle).toString('hex'));
}
