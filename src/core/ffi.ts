/** C libraries through koffi, each optional: who needs one asks and has a second way when it is not installed. */
import { promisify } from 'node:util';
import koffi from 'koffi';

type Foreign = (...args: never[]) => unknown;

export interface Library {
  /** Binds one C prototype, for instance `int inflate(void*, int)`. The caller states its type. */
  bind<F extends Foreign>(prototype: string): F;
  /** The same on a thread of libuv's. Buffers that are passed must stay untouched until it is done. */
  bindAsync<F extends Foreign>(prototype: string): (...args: Parameters<F>) => Promise<ReturnType<F>>;
}

/**
 * The library by its soname, or undefined when the host has none. RTLD_DEEPBIND, because the node binary exports the
 * zlib (and from 22 on the zstd) that it was built with: without it libz's calls to itself end in Node's copy, whose
 * private structs differ, and memory is corrupted.
 */
export function loadLibrary(soname: string): Library | undefined {
  try {
    const library = koffi.load(soname, { deep: true });
    return {
      bind: (prototype) => library.func(prototype) as never,
      bindAsync: (prototype) => promisify(library.func(prototype).async) as never,
    };
  } catch {
    return undefined;
  }
}

/** Where a buffer lies. Only for buffers over an ArrayBuffer of their own, which V8 does not move. */
export const addressOf = (buffer: Uint8Array): bigint => koffi.address(buffer);

/** Bytes whose address stays: never from Node's shared pool, never on the V8 heap. */
export const fixedBuffer = (length: number): Uint8Array => new Uint8Array(new ArrayBuffer(length));

/**
 * Addresses of the few fixed buffers that hot calls pass, as numbers (user addresses stay below 2^47): asking koffi
 * each time costs as much as the call.
 */
export class AddressCache {
  #memory: ArrayBufferLike | undefined;
  #base = 0;

  /** Where byte 0 of `bytes` lies. */
  of(bytes: Uint8Array): number {
    if (bytes.buffer !== this.#memory) {
      this.#memory = bytes.buffer;
      this.#base = Number(addressOf(bytes)) - bytes.byteOffset;
    }
    return this.#base + bytes.byteOffset;
  }
}
