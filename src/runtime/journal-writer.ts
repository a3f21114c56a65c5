/**
 * The log of a container without a shim, to systemd's journal with the fields that conmon gives it. An entry is one
 * datagram (systemd.io, "Native Journal Protocol"); a value may hold anything when its length stands before it:
 *
 *   PRIORITY=6\n  CONTAINER_ID=4f1c…\n  CONTAINER_ID_FULL=<64 hex>\n  CONTAINER_NAME=calm_hopper\n
 *   CONTAINER_PARTIAL_MESSAGE=true\n    where no newline followed
 *   MESSAGE\n<length, 64 bits, little endian><bytes>\n
 */
import { closeSync } from 'node:fs';
import { bind, check, cstring } from '../core/fsops/libc.js';
import { JOURNAL_SOCKET } from './journal-socket.js';
import type { LogStream } from './log-lines.js';
import type { LogWriter } from './shim-log-writer.js';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const NEWLINE = 10;

const libc = {
  socket: bind<(domain: number, type: number, protocol: number) => number>('int socket(int, int, int)'),
  connect: bind<(fd: number, address: Uint8Array, size: number) => number>(
    'int connect(int, const void*, uint32_t)',
  ),
  send: bind<(fd: number, bytes: Uint8Array, size: number, flags: number) => number>(
    'long send(int, const void*, size_t, int)',
  ),
};

/** One entry for each line. Throws ERR_SYSCALL where no journal listens; later errors end the log, not the container. */
export function journalWriter(container: { readonly id: string; readonly name: string }): LogWriter {
  const fd = check(libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), 'socket', JOURNAL_SOCKET);
  const address = Buffer.concat([Buffer.from(new Uint16Array([AF_UNIX]).buffer), cstring(JOURNAL_SOCKET)]);
  const connected = libc.connect(fd, address, address.length);
  if (connected < 0) {
    closeSync(fd);
    check(connected, 'connect', JOURNAL_SOCKET);
  }
  let broken = false;

  function send(stream: LogStream, message: Buffer, partial: boolean): void {
    const entry = journalEntry(container, stream, message, partial);
    broken ||= libc.send(fd, entry, entry.length, 0) < 0;
  }

  return {
    write: (stream, bytes) => {
      for (let at = 0; at < bytes.length && !broken; ) {
        const newline = bytes.indexOf(NEWLINE, at);
        const end = newline < 0 ? bytes.length : newline;
        send(stream, bytes.subarray(at, end), newline < 0);
        at = end + 1;
      }
    },
    close: () => {
      closeSync(fd);
      return true;
    },
  };
}

export function journalEntry(
  { id, name }: { readonly id: string; readonly name: string },
  stream: LogStream,
  message: Buffer,
  partial: boolean,
): Buffer {
  const fields = [
    `PRIORITY=${stream === 'stderr' ? 3 : 6}`,
    `CONTAINER_ID=${id.slice(0, 12)}`,
    `CONTAINER_ID_FULL=${id}`,
    `CONTAINER_NAME=${name}`,
    ...(partial ? ['CONTAINER_PARTIAL_MESSAGE=true'] : []),
    'MESSAGE',
  ];
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  return Buffer.concat([Buffer.from(`${fields.join('\n')}\n`), length, message, Buffer.from('\n')]);
}
