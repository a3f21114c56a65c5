/**
 * Compression of one stream on all cores: it is cut into blocks, each block is compressed by itself on a thread of
 * libuv's, and what they became is handed on in order. What comes out depends on the bytes alone, not on the number of
 * threads or on how they were cut into writes.
 *
 *   gzip   one member (RFC 1952): header, deflate blocks that end at a byte, an empty last block, CRC-32, size
 *   zstd   a frame a block (RFC 8878); decoders join frames
 *   lz4    a frame a block, of independent blocks and with its size and checksum
 */
import { crc32 } from 'node:zlib';
import { fixedBuffer } from '../ffi.js';

/** Memory for one block and the state to compress it; used again for a later block. */
export interface BlockSlot {
  readonly input: Uint8Array;
  /** Compresses the first `length` bytes of `input`. The result is valid until the next call. */
  compress(length: number): Promise<Uint8Array>;
  close(): void;
}

export interface BlockFormat {
  readonly head: Uint8Array;
  /** What follows the last block; `sum` is the CRC-32 of all bytes where `checksum` asks for it. */
  tail(sum: number, size: number): Uint8Array;
  readonly checksum: boolean;
  slot(): BlockSlot;
}

/** Gets the compressed bytes in order; the view is valid until it returns. */
export type ByteOutput = (bytes: Uint8Array) => void;

export interface Compressor {
  /** Takes bytes that may be used again on return; a promise means: not before it is done, there is no room. */
  write(bytes: Uint8Array): void | Promise<void>;
  finish(): Promise<void>;
  /** Waits for the threads and frees what libraries allocated; after finish or instead of it. */
  close(): Promise<void>;
}

export class BlockCompressor implements Compressor {
  readonly #format: BlockFormat;
  readonly #output: ByteOutput;
  readonly #width: number;
  /** All slots; the busy ones are in `#busy` too, the oldest first. */
  readonly #slots: BlockSlot[] = [];
  readonly #idle: BlockSlot[] = [];
  readonly #busy: { readonly slot: BlockSlot; readonly done: Promise<Uint8Array> }[] = [];
  #slot: BlockSlot | undefined;
  #fill = 0;
  #size = 0;
  #sum = 0;

  /** `width` blocks at the same time. */
  constructor(format: BlockFormat, width: number, output: ByteOutput) {
    this.#format = format;
    this.#width = width;
    this.#output = output;
    if (format.head.length > 0) output(format.head);
  }

  write(bytes: Uint8Array): void | Promise<void> {
    const taken = this.#fillSlot(bytes, 0);
    if (taken < bytes.length) return this.#writeRest(bytes, taken);
  }

  async #writeRest(bytes: Uint8Array, from: number): Promise<void> {
    for (let at = from; at < bytes.length; at = this.#fillSlot(bytes, at)) await this.#takeOldest();
  }

  /** Copies as much as there is room for; returns where it stopped. */
  #fillSlot(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      this.#slot ??= this.#free();
      if (this.#slot === undefined) return at;
      const part = bytes.subarray(at, at + this.#slot.input.length - this.#fill);
      this.#slot.input.set(part, this.#fill);
      if (this.#format.checksum) this.#sum = crc32(part, this.#sum);
      this.#fill += part.length;
      this.#size += part.length;
      at += part.length;
      if (this.#fill === this.#slot.input.length) this.#submit(this.#slot);
    }
    return at;
  }

  #free(): BlockSlot | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined || this.#slots.length === this.#width) return idle;
    const made = this.#format.slot();
    this.#slots.push(made);
    return made;
  }

  #submit(slot: BlockSlot): void {
    const done = slot.compress(this.#fill);
    done.catch(() => {}); // told by who waits for it
    this.#busy.push({ slot, done });
    this.#slot = undefined;
    this.#fill = 0;
  }

  async #takeOldest(): Promise<void> {
    const oldest = this.#busy.shift();
    if (oldest === undefined) return;
    this.#output(await oldest.done);
    this.#idle.push(oldest.slot);
  }

  async finish(): Promise<void> {
    // An empty stream is one empty block: a frame must be there to be read.
    if (this.#size === 0) this.#slot = this.#free();
    if (this.#slot !== undefined) this.#submit(this.#slot);
    while (this.#busy.length > 0) await this.#takeOldest();
    const tail = this.#format.tail(this.#sum, this.#size);
    if (tail.length > 0) this.#output(tail);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#busy.map(({ done }) => done));
    for (const slot of this.#slots.splice(0)) slot.close();
  }
}

/** Bytes as they are. */
export class Uncompressed implements Compressor {
  constructor(readonly output: ByteOutput) {}
  write(bytes: Uint8Array): void {
    this.output(bytes);
  }
  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}

/** A buffer for a block's compressed form, or its input. */
export const blockBuffer = (length: number): Buffer => Buffer.from(fixedBuffer(length).buffer);
