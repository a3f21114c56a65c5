/**
 * The loop that every foreign decompressor shares: input pointers into a fixed buffer, output pointers into the
 * target's regions, and the rule for what follows the end of a gzip member or zstd frame.
 *
 *   gzip: another member (1f…), or zero padding up to the end of the blob, as gzip(1) accepts; else an error
 *   zstd, lz4: another frame, which the library judges itself
 */
import { AddressCache, addressOf } from '../ffi.js';
import type { Compression } from '../oci/media-types.js';
import { corrupt, type Inflater, type OutputTarget } from './inflater.js';

/** One stream of a C library. Addresses are raw pointers; `step` consumes input and fills output. */
export interface Codec {
  readonly format: Exclude<Compression, 'none'>;
  readonly availIn: number;
  readonly availOut: number;
  input(address: number, length: number): void;
  output(address: number, length: number): void;
  /** True when a member or frame ended. Throws ERR_LAYER_INVALID on damaged data. */
  step(): boolean;
  /** Makes ready for the next member. */
  reset(): void;
  /** Frees what the library allocated; called once. */
  close(): void;
}

const GZIP_FIRST_BYTE = 0x1f;

export class StreamInflater implements Inflater {
  readonly #codec: Codec;
  readonly #input = new AddressCache();
  readonly #target: OutputTarget;
  readonly #output = new Map<Uint8Array, number>();
  #region: Uint8Array | undefined;
  #position: 'start' | 'member' | 'between' | 'padding' = 'start';
  #open = true;

  constructor(codec: Codec, target: OutputTarget) {
    this.#codec = codec;
    this.#target = target;
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) at = this.#member(bytes, at, end);
  }

  /** Feeds one member's bytes, or one byte of padding; returns where it stopped. */
  #member(bytes: Uint8Array, at: number, end: number): number {
    const codec = this.#codec;
    if (this.#position === 'between' || this.#position === 'padding') {
      if (codec.format === 'gzip') {
        const byte = bytes[at];
        if (byte === 0) {
          this.#position = 'padding';
          return at + 1;
        }
        if (byte !== GZIP_FIRST_BYTE || this.#position === 'padding') {
          throw corrupt('gzip', 'garbage after its end');
        }
      }
      codec.reset();
    }
    this.#position = 'member';
    codec.input(this.#input.of(bytes) + at, end - at);
    for (;;) {
      this.#region ??= this.#lend();
      const ended = codec.step();
      const full = codec.availOut === 0;
      if (full) this.#commit(this.#region.length);
      if (ended) {
        this.#position = 'between';
        break;
      }
      // A full region may have left output inside the library even when the input is used up.
      if (!full && codec.availIn === 0) break;
    }
    return end - codec.availIn;
  }

  #lend(): Uint8Array {
    const region = this.#target.acquire();
    let address = this.#output.get(region);
    if (address === undefined) {
      address = Number(addressOf(region));
      this.#output.set(region, address);
    }
    this.#codec.output(address, region.length);
    return region;
  }

  #commit(length: number): void {
    this.#region = undefined;
    if (length > 0) this.#target.commit(length);
  }

  finish(): void {
    if (this.#position === 'start') throw corrupt(this.#codec.format, 'empty');
    if (this.#position === 'member') throw corrupt(this.#codec.format, 'unexpected end');
    if (this.#region !== undefined) this.#commit(this.#region.length - this.#codec.availOut);
  }

  close(): void {
    if (this.#open) this.#codec.close();
    this.#open = false;
  }
}
