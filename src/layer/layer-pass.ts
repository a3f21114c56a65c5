/**
 * One pass over one layer's bytes (DESIGN §1.1): compressed bytes in; blob digest, decompression, diffID, tar and disk
 * follow in the same call. Nothing is read back.
 *
 *   write ─► blob hash ─► inflate ─► region ─► diff hash ─► LayerWriter
 *
 * An uncompressed layer is hashed once: its digest is its diffID. The pass publishes nothing; who asked for it
 * compares both digests before the staging directory may be.
 */
import type { Decompressors } from '../core/compress/backends.js';
import { type Inflater, type OutputTarget, sniffCompression } from '../core/compress/inflater.js';
import type { Crc64 } from '../core/digest/crc64.js';
import { algorithmOf, type DiffID, type Digest, parseDiffID } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { fixedBuffer } from '../core/ffi.js';
import { LIMITS } from '../core/limits.js';
import type { Compression } from '../core/oci/media-types.js';
import type { ProgressWords } from '../core/progress-words.js';
import { LayerWriter, type Written } from './layer-writer.js';

/** What a thread keeps for all layers it unpacks. Hashers are reset by the pass. */
export interface PassTools {
  readonly decompressors: Decompressors;
  readonly hasher: (which: 'blob' | 'diff', algorithm: 'sha256' | 'sha512') => Hasher;
  readonly crc: Crc64;
  /** Where inflated bytes lie until they are hashed and written. */
  readonly region: Buffer;
}

export interface PassOptions {
  readonly tools: PassTools;
  readonly staging: string;
  readonly digest: Digest;
  readonly diffID: DiffID;
  /** Of the blob, in bytes: the base of the bound on decompression. */
  readonly size: number;
  readonly words: ProgressWords;
}

export interface Passed extends Written {
  readonly digest: Digest;
  readonly diffID: DiffID;
  readonly compression: Compression;
}

/** Longest magic number that `sniffCompression` looks at. */
const MAGIC = 4;

export class LayerPass {
  readonly #options: PassOptions;
  readonly #writer: LayerWriter;
  readonly #blobHash: Hasher;
  readonly #diffHash: Hasher;
  readonly #maxTar: number;
  readonly #head = fixedBuffer(MAGIC);
  #headFill = 0;
  #inflater: Inflater | undefined;
  #compression: Compression = 'none';
  #tarSize = 0;

  constructor(options: PassOptions) {
    const { tools, staging, digest, diffID, size } = options;
    this.#options = options;
    this.#blobHash = tools.hasher('blob', algorithmOf(digest));
    this.#diffHash = tools.hasher('diff', algorithmOf(diffID));
    this.#blobHash.reset();
    this.#diffHash.reset();
    this.#maxTar = Math.min(LIMITS.inflatedBytes, Math.max(LIMITS.inflatedFloor, size * LIMITS.inflateRatio));
    this.#writer = new LayerWriter(staging, tools.crc);
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
    const head = this.#head.subarray(0, this.#headFill);
    this.#compression = sniffCompression(head);
    this.#inflater = this.#options.tools.decompressors.create(this.#compression, this.#target());
    if (this.#headFill > 0) this.#feed(this.#head, 0, this.#headFill);
  }

  #feed(bytes: Uint8Array, start: number, end: number): void {
    if (this.#compression !== 'none' || this.#separateDigests())
      this.#blobHash.update(bytes.subarray(start, end));
    this.#inflater?.write(bytes, start, end);
  }

  /** Only layers whose two digests use different algorithms are hashed twice when they are not compressed. */
  #separateDigests(): boolean {
    return algorithmOf(this.#options.digest) !== algorithmOf(this.#options.diffID);
  }

  #target(): OutputTarget {
    const { region } = this.#options.tools;
    return {
      acquire: () => region,
      commit: (length) => this.#tar(region, length),
    };
  }

  #tar(region: Buffer, length: number): void {
    this.#tarSize += length;
    if (this.#tarSize > this.#maxTar) {
      throw new GantryError(
        'ERR_LAYER_TOO_LARGE',
        `layer ${this.#options.digest}: ${this.#options.size} bytes inflate to more than ${this.#maxTar}`,
      );
    }
    this.#diffHash.update(region.subarray(0, length));
    this.#writer.write(region, 0, length);
    this.#options.words.set('bytesOut', this.#tarSize);
    this.#options.words.set('entries', this.#writer.entries);
  }

  /**
   * The blob is complete. ERR_DIGEST_MISMATCH when either digest is not the expected one; the blob's is looked at
   * first, so that a damaged download is not reported as a damaged layer.
   */
  async finish(): Promise<Passed> {
    if (this.#inflater === undefined) this.#begin();
    let failure: unknown;
    try {
      this.#inflater?.finish();
    } catch (error) {
      failure = error;
    }
    const diffID = parseDiffID(this.#diffHash.digest());
    const same = this.#compression === 'none' && !this.#separateDigests();
    const digest = same ? (diffID as string as Digest) : this.#blobHash.digest();
    check('digest of the blob', this.#options.digest, digest);
    if (failure !== undefined) throw failure;
    check('diffID', this.#options.diffID, diffID);
    const written = await this.#writer.finish();
    return { ...written, digest, diffID, compression: this.#compression };
  }

  /** Releases what the pass holds, also after an error. */
  close(): void {
    this.#inflater?.close();
    this.#writer.close();
  }
}

function check(what: string, expected: string, found: string): void {
  if (expected === found) return;
  throw new GantryError('ERR_DIGEST_MISMATCH', `layer: ${what}: expected ${expected}, found ${found}`, {
    expected,
    found,
    hint: 'the registry or a proxy in between serves damaged bytes; pull again, or from another mirror',
  });
}
