/** A compressed file decompressed into another, bounded: what an archive needs that is compressed as a whole. */
import { readSync, writeSync } from 'node:fs';
import { GantryError } from '../errors.js';
import { fixedBuffer } from '../ffi.js';
import { LIMITS } from '../limits.js';
import type { ProgressWords } from '../progress-words.js';
import { writeError } from '../write-error.js';
import type { Decompressors } from './backends.js';
import { sniffCompression } from './inflater.js';

export interface InflateFileOptions {
  /** Both are open; `from` is read from its beginning. */
  readonly from: number;
  readonly to: number;
  readonly decompressors: Decompressors;
  readonly words: ProgressWords;
}

const INPUT_BYTES = 256 * 1024;
const OUTPUT_BYTES = 1024 * 1024;

/** Returns the bytes written. ERR_LAYER_INVALID for a damaged stream, ERR_LAYER_TOO_LARGE, ERR_NO_SPACE, ERR_CANCELED. */
export function inflateFile({ from, to, decompressors, words }: InflateFileOptions): number {
  const input = fixedBuffer(INPUT_BYTES);
  const output = fixedBuffer(OUTPUT_BYTES);
  let read = readSync(from, input, 0, input.length, 0);
  let position = read;
  let written = 0;
  const commit = (length: number): void => {
    const most = Math.min(
      LIMITS.inflatedBytes,
      Math.max(LIMITS.inflatedFloor, position * LIMITS.inflateRatio),
    );
    if (written + length > most) {
      const message = `archive: ${position} bytes inflate to more than ${most}`;
      throw new GantryError('ERR_LAYER_TOO_LARGE', message);
    }
    for (let at = 0; at < length; ) at += writeSync(to, output, at, length - at);
    written += length;
  };
  const compression = sniffCompression(input.subarray(0, read));
  const inflater = decompressors.create(compression, { acquire: () => output, commit });
  try {
    while (read > 0) {
      if (words.canceled) throw new GantryError('ERR_CANCELED', 'archive: canceled');
      inflater.write(input, 0, read);
      read = readSync(from, input, 0, input.length, position);
      position += read;
    }
    inflater.finish();
    return written;
  } catch (error) {
    throw writeError(error);
  } finally {
    inflater.close();
  }
}
