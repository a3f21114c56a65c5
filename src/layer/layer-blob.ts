/**
 * A layer's blob again, from what the store keeps of it: the other direction of the one pass.
 *
 *   diff/ + tar-split.json.gz ─► tar ─► diff hash ─► compress ─► blob hash ─► file or pipe
 *
 * Invariant: it resolves only when the tar had the layer's diffID; what was written before an error is the caller's to
 * throw away.
 */
import { writeSync } from 'node:fs';
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import { openCompressor } from '../core/compress/open-compressor.js';
import type { Crc64 } from '../core/digest/crc64.js';
import type { DiffID, Digest } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { waitWritable } from '../core/fsops/poll.js';
import type { ProgressWords } from '../core/progress-words.js';
import { writeError } from '../core/write-error.js';
import { assembleTar } from './tar-split-assembler.js';
import { readTarSplit } from './tar-split-reader.js';

export interface LayerBlobOptions {
  readonly tarSplit: string;
  /** The directory of the layer's files. */
  readonly files: string;
  readonly diffID: DiffID;
  readonly compression: CompressionSpec;
  /** Open for writing: a file, a pipe or a socket. */
  readonly fd: number;
  /** Where in the file to begin; undefined for a pipe, or to go on where it is. */
  readonly position?: number;
  readonly crc: Crc64;
  /** Both are reset here; `blobHash` is not needed for a blob that is the tar itself. */
  readonly diffHash: Hasher;
  readonly blobHash: Hasher;
  readonly words: ProgressWords;
}

export interface WrittenBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly tarSize: number;
}

/**
 * Throws ERR_STORE_CORRUPT when a file or the diffID is not what it was, ERR_NO_SPACE, ERR_CANCELED, and
 * ERR_SYSCALL (EPIPE when nobody reads any more).
 */
export async function writeLayerBlob(options: LayerBlobOptions): Promise<WrittenBlob> {
  const { tarSplit, files, diffID, compression, crc, diffHash, blobHash, words } = options;
  const compressed = compression.format !== 'none';
  const output = new DescriptorOutput(options.fd, options.position, words);
  diffHash.reset();
  blobHash.reset();
  words.phase = 'extracting';
  const compressor = await openCompressor(compression, (bytes) => {
    if (compressed) blobHash.update(bytes);
    output.write(bytes);
    words.set('bytesOut', output.size);
  });
  let tarSize = 0;
  try {
    const sink = (bytes: Uint8Array): void | Promise<void> => {
      if (words.canceled) throw new GantryError('ERR_CANCELED', `layer ${diffID}: canceled`);
      diffHash.update(bytes);
      tarSize += bytes.length;
      words.set('bytesIn', tarSize);
      return compressor.write(bytes);
    };
    await assembleTar({ tarSplit, files, crc, sink });
    const found = diffHash.digest() as string;
    if (found !== diffID) {
      throw new GantryError('ERR_STORE_CORRUPT', `layer: expected diffID ${diffID}, found ${found}`, {
        expected: diffID,
        found,
        hint: 'pull the image again',
      });
    }
    await compressor.finish();
    return { digest: compressed ? blobHash.digest() : (found as Digest), size: output.size, tarSize };
  } finally {
    await compressor.close();
  }
}

/** The size of a layer's tar, from its tar-split alone. Throws ERR_STORE_CORRUPT. */
export async function tarSizeOf(tarSplit: string): Promise<number> {
  let size = 0;
  for await (const entry of readTarSplit(tarSplit)) {
    size += entry.type === 'segment' ? entry.bytes.length : entry.size;
  }
  return size;
}

/** How often a cancel is looked for while a pipe is full. */
const FULL_PIPE_MS = 100;

class DescriptorOutput {
  size = 0;

  constructor(
    readonly fd: number,
    readonly position: number | undefined,
    readonly words: ProgressWords,
  ) {}

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const count = this.#some(bytes, at);
      at += count;
      this.size += count;
    }
  }

  #some(bytes: Uint8Array, at: number): number {
    try {
      const position = this.position === undefined ? null : this.position + this.size;
      return writeSync(this.fd, bytes, at, bytes.length - at, position);
    } catch (cause) {
      // A pipe that Node, or who shares it, made non-blocking.
      if (errnoCode(cause) !== 'EAGAIN') throw writeError(cause);
      if (this.words.canceled) throw new GantryError('ERR_CANCELED', 'canceled');
      waitWritable(this.fd, FULL_PIPE_MS);
      return 0;
    }
  }
}
