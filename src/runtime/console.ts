/**
 * A container's terminal. The runtime makes the pty inside the container and sends its master over a Unix socket
 * (`--console-socket`, SCM_RIGHTS, runc docs/terminals.md). Node can neither receive a descriptor nor set a window
 * size, so both are done here through libc, on 64-bit Linux's layout:
 *
 *   struct msghdr  {name*, namelen, iov*, iovlen, control*, controllen, flags}   56 bytes, pointers at 0, 16, 32
 *   struct cmsghdr {len = 20, level = SOL_SOCKET, type = SCM_RIGHTS, int fd}     fd at 16
 */
import { closeSync, rmSync } from 'node:fs';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { GantryError } from '../core/errors.js';
import { addressOf, fixedBuffer } from '../core/ffi.js';
import { bind, check, cstring } from '../core/fsops/libc.js';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const TIOCSWINSZ = 0x5414;

const libc = {
  socket: bind<(domain: number, type: number, protocol: number) => number>('int socket(int, int, int)'),
  bind: bind<(fd: number, address: Uint8Array, size: number) => number>(
    'int bind(int, const void*, uint32_t)',
  ),
  listen: bind<(fd: number, backlog: number) => number>('int listen(int, int)'),
  accept: bind<(fd: number, address: null, size: null) => number>('int accept(int, void*, void*)'),
  recvmsg: bind<(fd: number, message: Uint8Array, flags: number) => number>('long recvmsg(int, void*, int)'),
  ioctl: bind<(fd: number, request: number, argument: Uint16Array) => number>(
    'int ioctl(int, unsigned long, void*)',
  ),
};

export interface ConsoleSocket {
  /** The master, once the runtime's `create` has ended well: by then it was sent, so this does not wait. */
  receive(): Terminal;
  close(): void;
}

export interface Terminal {
  /** What is typed. */
  readonly input: Writable;
  /** What is printed; ends with the container. */
  readonly output: Readable;
  resize(size: { readonly rows: number; readonly columns: number }): void;
}

/** Listens on `path`, which must be shorter than 108 bytes (unix(7)). */
export function consoleSocket(path: string): ConsoleSocket {
  const name = cstring(path);
  if (name.length > 108) throw new GantryError('ERR_INTERNAL', `socket path is too long: ${path}`);
  const address = Buffer.concat([Buffer.from(new Uint16Array([AF_UNIX]).buffer), name]);
  rmSync(path, { force: true });
  const listener = check(libc.socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0), 'socket', path);
  try {
    check(libc.bind(listener, address, address.length), 'bind', path);
    check(libc.listen(listener, 1), 'listen', path);
  } catch (error) {
    closeSync(listener);
    throw error;
  }
  return {
    receive: () => {
      const connection = check(libc.accept(listener, null, null), 'accept', path);
      try {
        return terminal(receiveDescriptor(connection, path));
      } finally {
        closeSync(connection);
      }
    },
    close: () => {
      closeSync(listener);
      rmSync(path, { force: true });
    },
  };
}

function receiveDescriptor(connection: number, object: string): number {
  const data = fixedBuffer(256);
  const control = fixedBuffer(24);
  const iov = fixedBuffer(16);
  new BigUint64Array(iov.buffer).set([addressOf(data), BigInt(data.length)]);
  const message = fixedBuffer(56);
  const words = new BigUint64Array(message.buffer);
  words[2] = addressOf(iov);
  words[3] = 1n;
  words[4] = addressOf(control);
  words[5] = BigInt(control.length);
  check(libc.recvmsg(connection, message, MSG_CMSG_CLOEXEC), 'recvmsg', object);
  const [, , level, type, descriptor] = new Int32Array(control.buffer);
  if (level !== SOL_SOCKET || type !== SCM_RIGHTS || descriptor === undefined) {
    throw new GantryError('ERR_RUNTIME', 'the runtime sent no terminal: expected one descriptor');
  }
  return descriptor;
}

function terminal(master: number): Terminal {
  const both = new ReadStream(master);
  const output = new PassThrough();
  both.pipe(output);
  // EIO is how a pty says that its last slave was closed: the end of the output, not a failure.
  both.on('error', () => both.destroy());
  both.on('close', () => output.end());
  return {
    input: both,
    output,
    resize: ({ rows, columns }) => {
      if (!both.destroyed) libc.ioctl(master, TIOCSWINSZ, new Uint16Array([rows, columns, 0, 0]));
    },
  };
}
