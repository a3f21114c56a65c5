/** One blob from a file, or a part of one, into a synchronous sink: what streamBlob is for a registry. */
import { closeSync, openSync, readSync } from 'node:fs';
import { GantryError } from '../core/errors.js';
import type { ProgressWords } from '../core/progress-words.js';
import type { ByteSink } from './http-body.js';
import type { FileRange } from './layout-archive.js';

export interface FileBlobOptions {
  readonly range: FileRange;
  /** The caller's, for the life of its thread. */
  readonly buffer: Uint8Array;
  readonly sink: ByteSink;
  readonly words: ProgressWords;
}

/** Throws what the sink throws, ERR_SIZE_MISMATCH for a file that became shorter, ERR_CANCELED. */
export function readBlob({ range, buffer, sink, words }: FileBlobOptions): void {
  words.phase = 'downloading';
  const fd = openSync(range.path, 'r');
  try {
    for (let at = 0; at < range.size; ) {
      if (words.canceled) throw new GantryError('ERR_CANCELED', `${range.path}: canceled`);
      const wanted = Math.min(buffer.length, range.size - at);
      const count = readSync(fd, buffer, 0, wanted, range.offset + at);
      if (count === 0) {
        const message = `${range.path}: expected ${range.size} bytes at ${range.offset}, found ${at}`;
        throw new GantryError('ERR_SIZE_MISMATCH', message);
      }
      sink(buffer, 0, count);
      at += count;
      words.set('bytesIn', at);
    }
  } finally {
    closeSync(fd);
  }
}
