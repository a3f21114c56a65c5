/**
 * First half of the one pass over a layer (DESIGN §1.1): a blob's bytes are hashed, inflated, and hashed again.
 *
 *   write ─► blob hash ─► inflate ─► diff hash ─► target      (then LayerWriter, in this thread or behind a ring)
 *
 * Both digests are taken here, while the bytes are in this core's cache; on two threads that also makes the halves
 * about equal. An uncompressed blob is hashed once when both digests use one algorithm: they are the same digest.
 */
import type { Decompressors } from '../core/compress/backends.js';
import { type Inflater, type OutputTarget, sniffCompression } from '../core/compress/inflater.js';
import { algorithmOf, type DiffID, type Digest } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { fixedBuffer } from '../core/ffi.js';
import { inflatedLimit } from '../core/limits.js';
import type { Compression } from '../core/oci/media-types.js';

export interface BlobPassOptions {
  /** Both are reset by the pass. */
  readonly blobHash: Hasher;
  readonly diffHash: Hasher;
  readonly decompressors: Decompressors;
  readonly target: OutputTarget;
  /** Undefined for a blob that nobody names: an archive's layer, for which the diffID alone says what is right. */
  readonly digest: Digest | undefined;
  /** Undefined where it is asked for: whatever the tar is, it is right. */
  readonly diffID: DiffID | undefined;
  /** What to do about wrong bytes. */
  readonly hint: string;
  /** Of the blob, in bytes: the base of the bound on decompression. */
  readonly size: number;
}

/** Longest magic number that `sniffCompression` looks at. */
const MAGIC = 4;

export class BlobPass {
  readonly #options: BlobPassOptions;
  readonly #maxTar: number;
  readonly #head = fixedBuffer(MAGIC);
  #headFill = 0;
  #inflater: Inflater | undefined;
  #compression: Compression = 'none';
  #hashBlob = true;
  #tarSize = 0;

  constructor(options: BlobPassOptions) {
    this.#options = options;
    this.#maxTar = inflatedLimit(options.size);
    options.blobHash.reset();
    options.diffHash.reset();
  }

  /**
   * Feeds bytes of the blob, a range of a fixed buffer that may be used again on return. ERR_LAYER_INVALID,
   * ERR_LAYER_TOO_LARGE, and what the target throws.
   */
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
    const { digest, diffID, decompressors, target } = this.#options;
    this.#compression = sniffCompression(this.#head.subarray(0, this.#headFill));
    this.#hashBlob =
      digest !== undefined &&
      (this.#compression !== 'none' || algorithmOf(digest) !== algorithmOf(diffID ?? digest));
    this.#inflater = decompressors.create(this.#compression, {
      acquire: () => target.acquire(),
      commit: (length) => this.#inflated(target, length),
    });
    if (this.#headFill > 0) this.#feed(this.#head, 0, this.#headFill);
  }

  #feed(bytes: Uint8Array, start: number, end: number): void {
    if (this.#hashBlob) this.#options.blobHash.update(bytes.subarray(start, end));
    this.#inflater?.write(bytes, start, end);
  }

  #inflated(target: OutputTarget, length: number): void {
    this.#tarSize += length;
    if (this.#tarSize > this.#maxTar) {
      const { diffID, size } = this.#options;
      const message = `layer ${diffID ?? 'tar'}: ${size} bytes inflate to more than ${this.#maxTar}`;
      throw new GantryError('ERR_LAYER_TOO_LARGE', message);
    }
    this.#options.diffHash.update(target.acquire().subarray(0, length));
    target.commit(length);
  }

  /**
   * The blob is complete. ERR_DIGEST_MISMATCH unless both digests are the expected ones; the blob's is checked before
   * the stream's end is, so that a damaged download is told as such and not as ERR_LAYER_INVALID.
   */
  finish(): { compression: Compression; diffID: DiffID } {
    const { blobHash, diffHash, digest, diffID, hint } = this.#options;
    if (this.#inflater === undefined) this.#begin();
    if (this.#hashBlob) verify('digest of the blob', digest, blobHash.digest(), hint);
    this.#inflater?.finish();
    const found = diffHash.digest();
    if (!this.#hashBlob) verify('digest of the blob', digest ?? found, found, hint);
    verify('diffID', diffID ?? found, found, hint);
    return { compression: this.#compression, diffID: found as string as DiffID };
  }

  /** Frees what the decompressor holds, also after an error. */
  close(): void {
    this.#inflater?.close();
  }
}

/** The comparison that nothing is published without. */
function verify(what: string, expected: string | undefined, found: string, hint: string): void {
  if (expected === found) return;
  throw new GantryError('ERR_DIGEST_MISMATCH', `layer: ${what}: expected ${expected}, found ${found}`, {
    expected,
    found,
    hint,
  });
}
