/**
 * Where a response's body ends (RFC 9112 §6.3): after Content-Length bytes, after the last chunk, or when the
 * connection closes. Chunked, as some proxies send it:
 *
 *   1a;name=value\r\n<26 bytes>\r\n … 0\r\nTrailer: x\r\n\r\n
 *
 * Bytes are handed on as ranges of the buffer they came in; nothing is copied or allocated.
 */
import { GantryError } from '../core/errors.js';
import { contentLength, type Head, malformed } from './http-head.js';

/** Takes bytes[start, end), valid only during the call. */
export type ByteSink = (bytes: Uint8Array, start: number, end: number) => void;

export interface BodyReader {
  push(bytes: Uint8Array, start: number, end: number): void;
  /** The message has ended; bytes after it belong to nobody. */
  readonly complete: boolean;
  /** The connection has closed. Throws ERR_NETWORK when that cut the message. */
  closed(): void;
}

/** Throws ERR_REGISTRY for a transfer coding other than chunked. */
export function bodyReader(head: Head, sink: ByteSink): BodyReader {
  const coding = head.headers.get('transfer-encoding');
  if (coding === undefined) return new PlainBody(contentLength(head), sink);
  if (coding.toLowerCase() === 'chunked') return new ChunkedBody(sink);
  throw malformed(`transfer coding ${JSON.stringify(coding)}`);
}

class PlainBody implements BodyReader {
  #left: number;

  constructor(
    readonly length: number | undefined,
    readonly sink: ByteSink,
  ) {
    this.#left = length ?? Number.POSITIVE_INFINITY;
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    const count = Math.min(this.#left, end - start);
    this.#left -= count;
    if (count > 0) this.sink(bytes, start, start + count);
  }

  closed(): void {
    if (this.length !== undefined && this.#left > 0)
      throw cut(`the connection closed with ${this.#left} of ${this.length} bytes missing`);
  }
}

const CR = 13;
const LF = 10;
const MAX_LINE = 4096;

class ChunkedBody implements BodyReader {
  /** The line being read: a chunk's size, the empty line after its data, or a trailer field. */
  #line = '';
  #state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size';
  #left = 0;
  #trailerBytes = 0;

  constructor(readonly sink: ByteSink) {}

  get complete(): boolean {
    return this.#state === 'done';
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        const count = Math.min(this.#left, end - at);
        this.sink(bytes, at, at + count);
        at += count;
        this.#left -= count;
        if (this.#left === 0) this.#state = 'data-end';
      } else {
        const byte = bytes[at++]!;
        if (byte === LF) this.#endLine();
        else if (byte !== CR) this.#line += String.fromCharCode(byte);
        if (this.#line.length > MAX_LINE) throw malformed(`a chunk's line is longer than ${MAX_LINE} bytes`);
      }
    }
  }

  #endLine(): void {
    const line = this.#line;
    this.#line = '';
    if (this.#state === 'size') {
      const size = /^([0-9a-f]{1,13})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw malformed(`chunk size ${JSON.stringify(line.slice(0, 40))}`);
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'data';
    } else if (this.#state === 'data-end') {
      if (line !== '') throw malformed(`a chunk is followed by ${JSON.stringify(line.slice(0, 40))}`);
      this.#state = 'size';
    } else if (line === '') {
      this.#state = 'done';
    } else {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > MAX_LINE) throw malformed(`its trailer is longer than ${MAX_LINE} bytes`);
    }
  }

  closed(): void {
    if (!this.complete) throw cut('the connection closed before the last chunk');
  }
}

export const cut = (what: string): GantryError =>
  new GantryError('ERR_NETWORK', what, { errno: 'ECONNRESET' });
