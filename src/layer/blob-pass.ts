/**
 * First half of the one pass over a layer (DESIGN §1.1): a blob's bytes are hashed and inflated as they come.
 *
 *   write ─► blob hash ─► inflate ─► target        (then TarPass, in the same thread or behind a ring)
 */
import type { Decompressors } from '../core/compress/backends.js';
import { type Inflater, type OutputTarget, sniffCompression } from '../core/compress/inflater.js';
import type { Digest } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { fixedBuffer } from '../core/ffi.js';
import type { Compression } from '../core/oci/media-types.js';
import { verify } from './verify.js';

export interface BlobPassOptions {
  /** Reset by the pass. */
  readonly hasher: Hasher;
  readonly decompressors: Decompressors;
  readonly target: OutputTarget;
  readonly digest: Digest;
}

/** Longest magic number that `sniffCompression` looks at. */
const MAGIC = 4;

export class BlobPass {
  readonly #options: BlobPassOptions;
  readonly #head = fixedBuffer(MAGIC);
  #headFill = 0;
  #inflater: Inflater | undefined;
  #compression: Compression = 'none';

  constructor(options: BlobPassOptions) {
    this.#options = options;
    options.hasher.reset();
  }

  /** Feeds bytes of the blob, a range of a fixed buffer that may be used again on return. */
  write(bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    if (this.#inflater === undefined) {
      while (this.#headFill < MAGIC && from < end) this.#head[this.#headFill++] = bytes[from++] as number;
      if (this.#headFill < MAGIC) return;
      this.#begin();
    }
    if (from < end) this.#feed(bytes, from, end);
  }

  #begin(): void {
    this.#compression = sniffCompression(this.#head.subarray(0, this.#headFill));
    this.#inflater = this.#options.decompressors.create(this.#compression, this.#options.target);
    if (this.#headFill > 0) this.#feed(this.#head, 0, this.#headFill);
  }

  #feed(bytes: Uint8Array, start: number, end: number): void {
    this.#options.hasher.update(bytes.subarray(start, end));
    this.#inflater?.write(bytes, start, end);
  }

  /**
   * The blob is complete. Its digest is checked before the stream's end is, so that a damaged download is told as
   * such: ERR_DIGEST_MISMATCH, then ERR_LAYER_INVALID.
   */
  finish(): Compression {
    if (this.#inflater === undefined) this.#begin();
    verify('digest of the blob', this.#options.digest, this.#options.hasher.digest());
    this.#inflater?.finish();
    return this.#compression;
  }

  /** Frees what the decompressor holds, also after an error. */
  close(): void {
    this.#inflater?.close();
  }
}
