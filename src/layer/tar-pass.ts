/**
 * Second half of the one pass over a layer: tar bytes are hashed and put on disk. It publishes nothing.
 *
 *   write ─► diff hash ─► LayerWriter
 */
import type { Crc64 } from '../core/digest/crc64.js';
import type { DiffID } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { ProgressWords } from '../core/progress-words.js';
import { LayerWriter, type Written } from './layer-writer.js';
import { verify } from './verify.js';

export interface TarPassOptions {
  /** Reset by the pass. */
  readonly hasher: Hasher;
  readonly crc: Crc64;
  readonly staging: string;
  readonly diffID: DiffID;
  /** Of the blob, in bytes: the base of the bound on decompression. */
  readonly size: number;
  readonly words: ProgressWords;
}

export class TarPass {
  readonly #options: TarPassOptions;
  readonly #writer: LayerWriter;
  readonly #maxTar: number;
  #tarSize = 0;

  constructor(options: TarPassOptions) {
    const { hasher, staging, crc, size } = options;
    this.#options = options;
    this.#maxTar = Math.min(LIMITS.inflatedBytes, Math.max(LIMITS.inflatedFloor, size * LIMITS.inflateRatio));
    hasher.reset();
    this.#writer = new LayerWriter(staging, crc);
  }

  /** Feeds the first `length` bytes of a fixed buffer. ERR_LAYER_TOO_LARGE, and what LayerWriter throws. */
  write(bytes: Buffer, length: number): void {
    const { hasher, words, diffID, size } = this.#options;
    this.#tarSize += length;
    if (this.#tarSize > this.#maxTar) {
      const message = `layer ${diffID}: ${size} bytes inflate to more than ${this.#maxTar}`;
      throw new GantryError('ERR_LAYER_TOO_LARGE', message);
    }
    hasher.update(bytes.subarray(0, length));
    this.#writer.write(bytes, 0, length);
    words.set('bytesOut', this.#tarSize);
    words.set('entries', this.#writer.entries);
  }

  /** The tar is complete. ERR_DIGEST_MISMATCH unless it is the one that the image's config names. */
  async finish(): Promise<Written> {
    verify('diffID', this.#options.diffID, this.#options.hasher.digest());
    return this.#writer.finish();
  }

  /** Releases descriptors, also after an error. */
  close(): void {
    this.#writer.close();
  }
}
