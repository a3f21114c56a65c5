/**
 * lz4 frames as the lz4 tool reads them, one a block. By liblz4 where it is installed, into memory that is used again:
 * 560 MB a CPU second of Debian's libraries, with lz4-napi 390, which makes a new buffer for each; else by lz4-napi.
 *
 *   LZ4F_preferences_t (lz4frame.h), words of 4 bytes: 0 block size id  1 block mode  2 content checksum  3 frame type
 *   4-5 content size  6 dictionary id  7 block checksums  8 level  9 auto flush  10 favour decoding speed  11-13 zero
 */
import { GantryError } from '../errors.js';
import { loadLibrary } from '../ffi.js';
import { type BlockFormat, blockBuffer } from './compressor.js';

/** The largest block of the format: a frame is one block. */
const BLOCK = 4 * 1024 * 1024;
const BLOCK_SIZE_ID = 7;
const INDEPENDENT = 1;
const PREFERENCES_BYTES = 56;
const NOTHING = Buffer.alloc(0);

/** `encoder` takes this one instead of the best; for tests. */
export async function lz4Format(encoder?: 'liblz4' | 'lz4-napi'): Promise<BlockFormat> {
  const native = encoder === 'lz4-napi' ? undefined : nativeSlots();
  const slot = native ?? (await packagedSlots());
  return { head: NOTHING, checksum: false, tail: () => NOTHING, slot };
}

function nativeSlots(): BlockFormat['slot'] | undefined {
  const library = loadLibrary('liblz4.so.1');
  if (library === undefined) return undefined;
  const bound = library.bind<(size: number, preferences: Uint8Array) => number | bigint>(
    'size_t LZ4F_compressFrameBound(size_t, void*)',
  );
  const isError = library.bind<(code: number | bigint) => number>('unsigned int LZ4F_isError(size_t)');
  const compress = library.bindAsync<
    (
      to: Uint8Array,
      room: number,
      from: Uint8Array,
      length: number,
      preferences: Uint8Array,
    ) => number | bigint
  >('size_t LZ4F_compressFrame(void*, size_t, void*, size_t, void*)');
  return () => {
    const preferences = blockBuffer(PREFERENCES_BYTES);
    preferences.writeUInt32LE(BLOCK_SIZE_ID, 0);
    preferences.writeUInt32LE(INDEPENDENT, 4);
    preferences.writeUInt32LE(1, 8);
    const input = blockBuffer(BLOCK);
    const output = blockBuffer(Number(bound(BLOCK, preferences)));
    return {
      input,
      async compress(length) {
        preferences.writeBigUInt64LE(BigInt(length), 16);
        const result = await compress(output, output.length, input, length, preferences);
        if (isError(result) !== 0) {
          throw new GantryError('ERR_INTERNAL', `liblz4 could not compress: error ${result}`);
        }
        return output.subarray(0, Number(result));
      },
      close() {},
    };
  };
}

async function packagedSlots(): Promise<BlockFormat['slot']> {
  const { compressFrame } = await import('lz4-napi');
  return () => {
    const input = blockBuffer(BLOCK);
    const options = { contentChecksum: true };
    return { input, compress: (length) => compressFrame(input.subarray(0, length), options), close() {} };
  };
}
