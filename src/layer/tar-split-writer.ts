/**
 * Writes `tar-split.json.gz`: what it takes beside `diff/` to rebuild a layer's tar bit for bit (vbatts/tar-split,
 * tar/storage). One JSON object a line, `type` 2 for bytes of the archive, 1 for a file whose contents lie in `diff/`:
 *
 *   {"type":2,"payload":"<base64 of header blocks and padding>","position":0}
 *   {"type":1,"name":"etc/hosts","size":174,"payload":"<base64 of 8 bytes CRC-64/GO-ISO>","position":1}
 *
 * The lines are gzipped in members of about a megabyte (RFC 1952 allows it and Go's reader joins them), so the writer
 * holds two fixed buffers however long the layer is.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LINES = 1 << 20;
/** Raw bytes kept before they become a line; a multiple of 3, so that base64 needs no padding inside. */
const SEGMENT = 48 * 1024;
/** Room for one line: a full segment in base64, or a name of 4096 bytes escaped as \u00xx, and the rest. */
const LINE_ROOM = 96 * 1024;
/** Level 1: 110,000 entries are 94 MB of JSON; level 6 costs four times the CPU for 4 % fewer bytes. */
const GZIP_LEVEL = 1;

export class TarSplitWriter {
  readonly #fd: number;
  readonly #lines = Buffer.from(new ArrayBuffer(LINES));
  readonly #segment = Buffer.from(new ArrayBuffer(SEGMENT));
  #filled = 0;
  #segmentFill = 0;
  #position = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o644);
  }

  /** Bytes of the archive that are not the contents of a file in `diff/`. */
  raw(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const length = Math.min(end - at, SEGMENT - this.#segmentFill);
      bytes.copy(this.#segment, this.#segmentFill, at, at + length);
      this.#segmentFill += length;
      at += length;
      if (this.#segmentFill === SEGMENT) this.#flushSegment();
    }
  }

  /** One entry, after its raw header: `name` as in the archive (latin1), `crc` of its contents where size > 0. */
  file(name: string, size: number, crc: Buffer | undefined): void {
    this.#flushSegment();
    const bytes = Buffer.from(name, 'latin1');
    const text = bytes.toString();
    // Go writes a name that is not UTF-8 as bytes in name_raw, because JSON strings cannot hold it.
    const key = Buffer.from(text).equals(bytes)
      ? `"name":${JSON.stringify(text)}`
      : `"name_raw":"${bytes.toString('base64')}"`;
    const sized = size > 0 ? `,"size":${size}` : '';
    const payload = crc === undefined ? 'null' : `"${crc.toString('base64')}"`;
    this.#line(`{"type":1,${key}${sized},"payload":${payload},"position":${this.#position}}\n`);
  }

  #flushSegment(): void {
    if (this.#segmentFill === 0) return;
    const payload = this.#segment.toString('base64', 0, this.#segmentFill);
    this.#segmentFill = 0;
    this.#line(`{"type":2,"payload":"${payload}","position":${this.#position}}\n`);
  }

  #line(line: string): void {
    this.#position++;
    this.#filled += this.#lines.write(line, this.#filled, 'utf8');
    if (this.#filled > LINES - LINE_ROOM) this.#flushLines();
  }

  #flushLines(): void {
    const member = gzipSync(this.#lines.subarray(0, this.#filled), { level: GZIP_LEVEL });
    for (let at = 0; at < member.length; ) at += writeSync(this.#fd, member, at);
    this.#filled = 0;
  }

  /** Writes what is left. The file is complete afterwards. */
  finish(): void {
    this.#flushSegment();
    this.#flushLines();
  }

  close(): void {
    closeSync(this.#fd);
  }
}
