/** The contents of one file of a layer against the checksum that tar-split has of them. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Crc64 } from '../core/digest/crc64.js';
import { dataExtents } from '../core/fsops/extents.js';
import type { SparseSegment } from '../core/tar/sparse.js';

const BUFFER_BYTES = 256 * 1024;

export class FileContents {
  readonly #buffer = Buffer.from(new ArrayBuffer(BUFFER_BYTES));
  readonly #crc: Crc64;
  readonly #onBytes: (count: number) => void;

  /** `onBytes` is told what was read, and throws to end the work. */
  constructor(crc: Crc64, onBytes: (count: number) => void) {
    this.#crc = crc;
    this.#onBytes = onBytes;
  }

  /** CRC-64 in hex. `fd` may be O_PATH; of a sparse file its `segments` count, and 'data in a hole' when there is some. */
  sum(fd: number, size: number, segments?: readonly SparseSegment[]): string {
    const file = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      this.#crc.reset();
      let hole = 0;
      for (const { offset, length } of segments ?? [{ offset: 0, length: size }]) {
        if (this.#holdsData(file, hole, offset)) return 'data in a hole';
        this.#read(file, offset, offset + length, (bytes) => this.#crc.update(bytes, 0, bytes.length));
        hole = offset + length;
      }
      if (this.#holdsData(file, hole, size)) return 'data in a hole';
      return this.#crc.digest().toString('hex');
    } finally {
      closeSync(file);
    }
  }

  /** A hole may have become blocks of zeros. */
  #holdsData(file: number, from: number, to: number): boolean {
    let found = false;
    if (from >= to) return found;
    for (const { start, end } of dataExtents(file, to)) {
      if (end <= from) continue;
      this.#read(file, Math.max(start, from), end, (bytes) => {
        found ||= bytes.some((byte) => byte !== 0);
      });
    }
    return found;
  }

  #read(file: number, from: number, to: number, take: (bytes: Buffer) => void): void {
    for (let at = from; at < to; ) {
      const got = readSync(file, this.#buffer, 0, Math.min(BUFFER_BYTES, to - at), at);
      if (got === 0) return;
      take(this.#buffer.subarray(0, got));
      this.#onBytes(got);
      at += got;
    }
  }
}
