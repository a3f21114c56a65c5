/**
 * lz4 frames by liblz4, as a stream: linked and independent blocks, skippable frames, checksums where there are any
 * (lz4_Frame_format.md). The library holds at most one block of 4 MiB and 64 KiB of history.
 */
import { fixedBuffer, loadLibrary } from '../ffi.js';
import { corrupt } from './inflater.js';
import type { Codec } from './stream-inflater.js';

const WORD = 8;
const LZ4F_VERSION = 100;

/** A maker of lz4 codecs, or undefined when liblz4 is not installed. */
export function loadLz4(): (() => Codec) | undefined {
  const library = loadLibrary('liblz4.so.1');
  if (library === undefined) return undefined;
  const create = library.bind<(to: Uint8Array, version: number) => number | bigint>(
    'size_t LZ4F_createDecompressionContext(void*, unsigned int)',
  );
  const free = library.bind<(context: bigint) => number>('size_t LZ4F_freeDecompressionContext(void*)');
  const decompress = library.bind<
    (
      context: bigint,
      output: bigint,
      outputSize: Uint8Array,
      input: bigint,
      inputSize: Uint8Array,
      options: null,
    ) => number | bigint
  >('size_t LZ4F_decompress(void*, void*, void*, void*, void*, void*)');
  const isError = library.bind<(code: number | bigint) => number>('unsigned int LZ4F_isError(size_t)');
  const errorName = library.bind<(code: number | bigint) => string>('const char* LZ4F_getErrorName(size_t)');
  return () => {
    const handle = fixedBuffer(WORD);
    const created = create(handle, LZ4F_VERSION);
    if (isError(created) !== 0) throw corrupt('lz4', errorName(created).toLowerCase());
    const context = new DataView(handle.buffer).getBigUint64(0, true);
    const inputSize = fixedBuffer(WORD);
    const outputSize = fixedBuffer(WORD);
    const consumed = new DataView(inputSize.buffer);
    const produced = new DataView(outputSize.buffer);
    const from = { address: 0, left: 0 };
    const to = { address: 0, left: 0 };
    return {
      format: 'lz4',
      get availIn() {
        return from.left;
      },
      get availOut() {
        return to.left;
      },
      input: (address, length) => void Object.assign(from, { address, left: length }),
      output: (address, length) => void Object.assign(to, { address, left: length }),
      step() {
        consumed.setBigUint64(0, BigInt(from.left), true);
        produced.setBigUint64(0, BigInt(to.left), true);
        const result = decompress(
          context,
          BigInt(to.address),
          outputSize,
          BigInt(from.address),
          inputSize,
          null,
        );
        if (isError(result) !== 0) throw corrupt('lz4', errorName(result).toLowerCase());
        for (const [side, view] of [
          [from, consumed],
          [to, produced],
        ] as const) {
          const count = Number(view.getBigUint64(0, true));
          side.address += count;
          side.left -= count;
        }
        return Number(result) === 0;
      },
      // A finished context takes the next frame as it is.
      reset() {},
      close: () => void free(context),
    };
  };
}
