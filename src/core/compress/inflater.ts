/**
 * A decompressor as a synchronous push: compressed bytes go in as ranges of a fixed buffer, tar bytes come out in
 * regions that the target lends. Nothing is allocated per chunk; on this kind of machine a fresh page costs more than
 * hashing the bytes in it (DESIGN §4).
 *
 *   write(bytes, start, end) …  any number of times; `bytes` lies in an ArrayBuffer of its own (fixedBuffer)
 *   finish()                    throws when the stream is not at its end; commits the last region
 *   close()                     frees what a library allocated; after finish or instead of it
 */
import { GantryError } from '../errors.js';
import type { Compression } from '../oci/media-types.js';

/** Where output goes: one region of a thread's own, or a slot of a ring to another thread. */
export interface OutputTarget {
  /** The region to fill next. The same one is returned until it is committed. */
  acquire(): Uint8Array;
  /** Hands over the first `length` bytes of the acquired region. */
  commit(length: number): void;
}

export interface Inflater {
  write(bytes: Uint8Array, start: number, end: number): void;
  finish(): void;
  close(): void;
}

export type InflaterBackend = 'isa-l' | 'zlib' | 'node-zlib' | 'libzstd' | 'node-zstd' | 'none';

/** ERR_LAYER_INVALID for a damaged compressed stream; `kind` is the format, `what` what went wrong. */
export const corrupt = (kind: string, what: string): GantryError =>
  new GantryError('ERR_LAYER_INVALID', `layer blob: invalid ${kind} stream: ${what}`);

/** Compression by magic number (RFC 1952, RFC 8878, LZ4 frame format); 'none' for anything else, which must then be a tar. */
export function sniffCompression(bytes: Uint8Array): Compression {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip';
  if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return 'zstd';
  if (bytes[0] === 0x04 && bytes[1] === 0x22 && bytes[2] === 0x4d && bytes[3] === 0x18) return 'lz4';
  return 'none';
}

/** Fills the target's regions with bytes that are ready as they are. */
export function pushBytes(
  target: OutputTarget,
  bytes: Uint8Array,
  start: number,
  end: number,
  fill = 0,
): number {
  let filled = fill;
  for (let at = start; at < end; ) {
    const region = target.acquire();
    const length = Math.min(end - at, region.length - filled);
    region.set(bytes.subarray(at, at + length), filled);
    at += length;
    filled += length;
    if (filled === region.length) {
      target.commit(filled);
      filled = 0;
    }
  }
  return filled;
}
