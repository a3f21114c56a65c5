/**
 * The log of a container without a shim, written as conmon would (log-lines.ts) for the same conversion: lines as they
 * come, a piece without a newline marked P, and an empty file renamed over a full one.
 */
import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { keepShimLog } from './log-conversion.js';
import type { LogStream } from './log-lines.js';
import { shimLogPath } from './log-paths.js';

const NEWLINE = 10;

export interface LogWriter {
  write(stream: LogStream, bytes: Buffer): void;
  /** True when something was written. */
  close(): boolean;
}

/** The file is made with the first output. Errors of writing (a full disk) end the log, not the container. */
export function shimLogWriter(directory: string, maxBytes: number): LogWriter {
  const path = shimLogPath(directory);
  let fd: number | undefined;
  let size = 0;
  let broken = false;

  function open(): number {
    const opened = openSync(path, 'a', 0o640);
    size = statSync(path).size;
    keepShimLog(directory);
    return opened;
  }

  function replace(full: number): number {
    closeSync(full);
    closeSync(openSync(`${path}.tmp`, 'w', 0o640));
    renameSync(`${path}.tmp`, path);
    return open();
  }

  function append(stream: LogStream, bytes: Buffer): void {
    fd ??= open();
    const time = new Date().toISOString();
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      pieces.push(
        Buffer.from(`${time} ${stream} ${newline < 0 ? 'P' : 'F'} `),
        bytes.subarray(at, end),
        LINE_END,
      );
      at = end + 1;
    }
    const lines = Buffer.concat(pieces);
    if (size > 0 && size + lines.length > maxBytes) fd = replace(fd);
    for (let at = 0; at < lines.length; ) at += writeSync(fd, lines, at);
    size += lines.length;
  }

  return {
    write: (stream, bytes) => {
      if (broken) return;
      try {
        append(stream, bytes);
      } catch {
        broken = true;
      }
    },
    close: () => {
      if (fd !== undefined) closeSync(fd);
      return fd !== undefined;
    },
  };
}

const LINE_END = Buffer.from('\n');
