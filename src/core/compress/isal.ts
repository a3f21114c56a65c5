/**
 * gzip by ISA-L (libisal2), about twice zlib's speed. Fields of its public struct inflate_state (igzip_lib.h, the
 * same on every 64-bit build since 2.19), 87368 bytes in all:
 *
 *   0 next_out  8 avail_out  16 next_in  32 avail_in  21160 block_state  21172 crc_flag
 *
 * The last two lie behind the decoding tables, so `backends.ts` proves the layout by a known answer before use.
 */
import { fixedBuffer, loadLibrary } from '../ffi.js';
import { corrupt } from './inflater.js';
import { withFields } from './stream-fields.js';
import type { Codec } from './stream-inflater.js';

const OFFSET = {
  nextOut: 0,
  availOut: 8,
  nextIn: 16,
  availIn: 32,
  blockState: 21160,
  crcFlag: 21172,
} as const;
const STATE_BYTES = 96 * 1024;
const ISAL_BLOCK_FINISH = 5;
const ISAL_GZIP = 1;

const ERRORS: Readonly<Record<number, string>> = {
  [-1]: 'invalid block',
  [-2]: 'invalid symbol',
  [-3]: 'invalid distance',
  [-4]: 'invalid gzip header',
  [-5]: 'unsupported compression method',
  [-6]: 'incorrect checksum',
  6: 'needs a dictionary',
};

/** A maker of gzip codecs, or undefined when libisal2 is not installed. */
export function loadIsal(): (() => Codec) | undefined {
  const library = loadLibrary('libisal.so.2');
  if (library === undefined) return undefined;
  const init = library.bind<(state: Uint8Array) => void>('void isal_inflate_init(void*)');
  const reset = library.bind<(state: Uint8Array) => void>('void isal_inflate_reset(void*)');
  const inflate = library.bind<(state: Uint8Array) => number>('int isal_inflate(void*)');
  return () => {
    const state = fixedBuffer(STATE_BYTES);
    const view = new DataView(state.buffer);
    init(state);
    view.setUint32(OFFSET.crcFlag, ISAL_GZIP, true);
    return withFields(view, OFFSET, {
      format: 'gzip',
      step() {
        const result = inflate(state);
        if (result !== 0) throw corrupt('gzip', ERRORS[result] ?? `error ${result}`);
        return view.getUint32(OFFSET.blockState, true) === ISAL_BLOCK_FINISH;
      },
      reset() {
        reset(state);
        view.setUint32(OFFSET.crcFlag, ISAL_GZIP, true);
      },
      close() {},
    });
  };
}
