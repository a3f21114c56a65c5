/** One blob from a file, or a part of one, into a synchronous sink: what streamBlob is for a registry. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Decompressors } from '../core/compress/backends.js';
import { readFrames } from '../core/compress/read-frames.js';
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
  /** For a file that is compressed as a whole. */
  readonly decompressors: Decompressors;
}

/**
 * Throws what the sink throws, ERR_SIZE_MISMATCH for a file that became shorter, ERR_LAYER_INVALID for damaged frames,
 * ERR_CANCELED.
 */
export function readBlob({ range, buffer, sink, words, decompressors }: FileBlobOptions): void {
  words.phase = 'downloading';
  const { path, frames: map } = range;
  let done = 0;
  const take: ByteSink = (bytes, start, end) => {
    if (words.canceled) throw new GantryError('ERR_CANCELED', `${path}: canceled`);
    sink(bytes, start, end);
    done += end - start;
    words.set('bytesIn', done);
  };
  const fd = openSync(path, 'r');
  try {
    if (map !== undefined) {
      readFrames({ fd, map, ...range, decompressors, buffer, sink: take });
      return;
    }
    while (done < range.size) {
      const wanted = Math.min(buffer.length, range.size - done);
      const count = readSync(fd, buffer, 0, wanted, range.offset + done);
      if (count === 0) {
        const message = `${path}: expected ${range.size} bytes at ${range.offset}, found ${done}`;
        throw new GantryError('ERR_SIZE_MISMATCH', message);
      }
      take(buffer, 0, count);
    }
  } finally {
    closeSync(fd);
  }
}
