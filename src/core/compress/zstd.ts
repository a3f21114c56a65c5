/**
 * zstd by libzstd. ZSTD_inBuffer and ZSTD_outBuffer (zstd.h) are three words each: pointer, size, position.
 * The window is bounded to 128 MiB (`--long=27`), the most that zstd(1) decodes without being told to.
 */
import { fixedBuffer, loadLibrary } from '../ffi.js';
import { corrupt } from './inflater.js';
import type { Codec } from './stream-inflater.js';

const WORD = 8;
const SIZE = 1 * WORD;
const POSITION = 2 * WORD;
const ZSTD_D_WINDOW_LOG_MAX = 100;
const WINDOW_LOG = 27;

/** A maker of zstd codecs, or undefined when libzstd is not installed. */
export function loadZstd(): (() => Codec) | undefined {
  const library = loadLibrary('libzstd.so.1');
  if (library === undefined) return undefined;
  const create = library.bind<() => bigint>('void* ZSTD_createDCtx()');
  const free = library.bind<(context: bigint) => number>('size_t ZSTD_freeDCtx(void*)');
  const setParameter = library.bind<(context: bigint, parameter: number, value: number) => number>(
    'size_t ZSTD_DCtx_setParameter(void*, int, int)',
  );
  const decompress = library.bind<(context: bigint, to: Uint8Array, from: Uint8Array) => number | bigint>(
    'size_t ZSTD_decompressStream(void*, void*, void*)',
  );
  const isError = library.bind<(code: number | bigint) => number>('unsigned int ZSTD_isError(size_t)');
  const errorName = library.bind<(code: number | bigint) => string>('const char* ZSTD_getErrorName(size_t)');
  return () => {
    const context = create();
    setParameter(context, ZSTD_D_WINDOW_LOG_MAX, WINDOW_LOG);
    const source = fixedBuffer(3 * WORD);
    const sink = fixedBuffer(3 * WORD);
    const from = new DataView(source.buffer);
    const to = new DataView(sink.buffer);
    const left = (view: DataView): number =>
      Number(view.getBigUint64(SIZE, true) - view.getBigUint64(POSITION, true));
    const point = (view: DataView, address: number, length: number): void => {
      view.setBigUint64(0, BigInt(address), true);
      view.setBigUint64(SIZE, BigInt(length), true);
      view.setBigUint64(POSITION, 0n, true);
    };
    return {
      format: 'zstd',
      get availIn() {
        return left(from);
      },
      get availOut() {
        return left(to);
      },
      input: (address, length) => point(from, address, length),
      output: (address, length) => point(to, address, length),
      step() {
        const result = decompress(context, sink, source);
        if (isError(result) !== 0) throw corrupt('zstd', errorName(result).toLowerCase());
        return Number(result) === 0;
      },
      // A finished context takes the next frame as it is.
      reset() {},
      close: () => void free(context),
    };
  };
}
