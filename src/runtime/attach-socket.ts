/**
 * conmon's attach socket, `<bundle>/attach`: SOCK_SEQPACKET, which Node's net does not know. A packet from conmon is one
 * byte, 2 for stdout or 3 for stderr, and up to 8 KiB; packets to it are bare stdin. Once connected it is a descriptor
 * like any: read(2) gives a packet, and read blocks, so it is left to the thread pool.
 */
import { closeSync, read, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GantryError } from '../core/errors.js';
import { bind, check, cstring, E, errno } from '../core/fsops/libc.js';

const AF_UNIX = 1;
const SOCK_SEQPACKET_CLOEXEC = 5 | 0o2000000;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const PACKET = 16 * 1024;
/** conmon reads up to 32 KiB at a time and drops what does not fit. */
const INPUT_PACKET = 8 * 1024;
const STDERR = 3;

const libc = {
  socket: bind<(domain: number, type: number, protocol: number) => number>('int socket(int, int, int)'),
  connect: bind<(fd: number, address: Uint8Array, size: number) => number>(
    'int connect(int, const void*, uint32_t)',
  ),
  shutdown: bind<(fd: number, how: number) => number>('int shutdown(int, int)'),
};
const readPacket = promisify(read);

export interface Attachment {
  /** What it prints, until it ends or `close` is called. */
  output(): AsyncGenerator<{ readonly stream: 'stdout' | 'stderr'; readonly bytes: Buffer }>;
  write(bytes: Buffer): void;
  /** No more will be typed. */
  endInput(): void;
  close(): void;
}

/** ERR_CONFLICT when no conmon listens (any more). */
export function attachTo(bundle: string): Attachment {
  const path = join(bundle, 'attach');
  const address = Buffer.concat([Buffer.from(new Uint16Array([AF_UNIX]).buffer), cstring(path)]);
  const fd = check(libc.socket(AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0), 'socket', path);
  if (libc.connect(fd, address, address.length) < 0) {
    const gone = errno() === E.ENOENT || errno() === E.ECONNREFUSED;
    closeSync(fd);
    if (gone) throw new GantryError('ERR_CONFLICT', 'cannot attach: the supervisor of the container is gone');
    check(-1, 'connect', path);
  }
  return {
    output: async function* () {
      try {
        for (;;) {
          const packet = Buffer.allocUnsafe(PACKET);
          const { bytesRead } = await readPacket(fd, packet, 0, PACKET, null).catch(() => ({ bytesRead: 0 }));
          if (bytesRead === 0) return;
          const stream = packet[0] === STDERR ? 'stderr' : 'stdout';
          yield { stream, bytes: packet.subarray(1, bytesRead) };
        }
      } finally {
        closeSync(fd);
      }
    },
    write: (bytes) => {
      for (let at = 0; at < bytes.length; at += INPUT_PACKET)
        writeSync(fd, bytes.subarray(at, at + INPUT_PACKET));
    },
    endInput: () => libc.shutdown(fd, SHUT_WR),
    close: () => libc.shutdown(fd, SHUT_RDWR), // wakes the read, which then closes
  };
}
