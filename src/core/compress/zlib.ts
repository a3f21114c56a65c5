/**
 * gzip by the system's zlib. Fields of z_stream on a 64-bit host (zlib.h), 112 bytes in all:
 *
 *   0 next_in  8 avail_in  24 next_out  32 avail_out
 */
import { fixedBuffer, loadLibrary } from '../ffi.js';
import { corrupt } from './inflater.js';
import { withFields } from './stream-fields.js';
import type { Codec } from './stream-inflater.js';

const OFFSET = { nextIn: 0, availIn: 8, nextOut: 24, availOut: 32 } as const;
const STREAM_BYTES = 112;
const Z_NO_FLUSH = 0;
const Z_OK = 0;
const Z_STREAM_END = 1;
/** No progress was possible: more input is needed, not an error. */
const Z_BUF_ERROR = -5;
/** 15 window bits, and 16 to ask for the gzip wrapper. */
const GZIP_WINDOW = 31;

/** A maker of gzip codecs, or undefined when the system has no zlib. */
export function loadZlib(): (() => Codec) | undefined {
  const library = loadLibrary('libz.so.1');
  if (library === undefined) return undefined;
  const version = library.bind<() => string>('const char* zlibVersion()')();
  const init = library.bind<(stream: Uint8Array, bits: number, version: string, size: number) => number>(
    'int inflateInit2_(void*, int, const char*, int)',
  );
  const inflate = library.bind<(stream: Uint8Array, flush: number) => number>('int inflate(void*, int)');
  const reset = library.bind<(stream: Uint8Array) => number>('int inflateReset(void*)');
  const end = library.bind<(stream: Uint8Array) => number>('int inflateEnd(void*)');
  return () => {
    const stream = fixedBuffer(STREAM_BYTES);
    const view = new DataView(stream.buffer);
    const started = init(stream, GZIP_WINDOW, version, STREAM_BYTES);
    if (started !== Z_OK) throw corrupt('gzip', `zlib could not start (${started})`);
    return withFields(view, OFFSET, {
      format: 'gzip',
      step() {
        const result = inflate(stream, Z_NO_FLUSH);
        if (result !== Z_OK && result !== Z_STREAM_END && result !== Z_BUF_ERROR) {
          throw corrupt('gzip', `zlib error ${result}`);
        }
        return result === Z_STREAM_END;
      },
      reset: () => void reset(stream),
      close: () => void end(stream),
    });
  };
}
