/** A compressed stream decompressed into a file as it comes, bounded: what an archive needs that can only be read in one go. */
import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { GantryError } from '../errors.js';
import { fixedBuffer } from '../ffi.js';
import { inflatedLimit } from '../limits.js';
import type { Decompressors } from './backends.js';
import { type Inflater, sniffCompression } from './inflater.js';

export interface InflatingWriterOptions {
  /** Open for writing. */
  readonly fd: number;
  readonly decompressors: Decompressors;
}

const INPUT_BYTES = 256 * 1024;
const OUTPUT_BYTES = 1024 * 1024;

/** The first chunk holds the magic number. Fails with ERR_LAYER_INVALID, ERR_LAYER_TOO_LARGE and the file's errors. */
export function inflatingWriter({ fd, decompressors }: InflatingWriterOptions): Writable {
  const input = fixedBuffer(INPUT_BYTES);
  const output = fixedBuffer(OUTPUT_BYTES);
  let taken = 0;
  let written = 0;
  let inflater: Inflater | undefined;
  const commit = (length: number): void => {
    const most = inflatedLimit(taken);
    if (written + length > most) {
      throw new GantryError('ERR_LAYER_TOO_LARGE', `archive: ${taken} bytes inflate to more than ${most}`);
    }
    for (let at = 0; at < length; ) at += writeSync(fd, output, at, length - at);
    written += length;
  };
  const write = (chunk: Buffer): void => {
    inflater ??= decompressors.create(sniffCompression(chunk), { acquire: () => output, commit });
    for (let at = 0; at < chunk.length; at += INPUT_BYTES) {
      const part = chunk.subarray(at, at + INPUT_BYTES);
      input.set(part);
      taken += part.length;
      inflater.write(input, 0, part.length);
    }
  };
  const settle = (action: () => void, done: (error?: Error) => void): void => {
    try {
      action();
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
  return new Writable({
    write: (chunk: Buffer, _, done) => settle(() => write(chunk), done),
    final: (done) => settle(() => inflater?.finish(), done),
    destroy(error, done) {
      inflater?.close();
      done(error);
    },
  });
}
