/**
 * Deflate blocks for gzip: levels 1 to 3 by ISA-L where it is installed, the others by Node's zlib. Both end a block
 * at a byte with nothing open (Z_FULL_FLUSH), so that blocks compressed apart are one deflate stream in a row.
 *
 * Fields of ISA-L's struct isal_zstream (igzip_lib.h, the same since 2.19); the internal state behind them is zeroed
 * by the library:
 *
 *   0 next_in  8 avail_in  16 next_out  24 avail_out  28 total_out  40 level  44 level_buf_size  48 level_buf
 *   56 end_of_stream (16 bit)  58 flush (16 bit)
 */
import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRawSync } from 'node:zlib';
import { GantryError } from '../errors.js';
import { addressOf, loadLibrary } from '../ffi.js';
import { type BlockFormat, type BlockSlot, blockBuffer } from './compressor.js';

/** Larger ones compress no better; smaller ones lose matches at their start. */
const BLOCK = 1024 * 1024;
/** Deflate adds 5 bytes for 64 KiB that it cannot compress, and the flush. */
const BLOCK_BOUND = BLOCK + BLOCK / 64 + 1024;
const ISAL_LEVELS = 3;
const STATE_BYTES = 512 * 1024;
const LEVEL_BYTES = 1024 * 1024;
const FULL_FLUSH = 2;

/** Magic, deflate, no flags, no time, no extra flags, Unix: nothing of the day or the host. */
const HEAD = Buffer.from('1f8b0800000000000003', 'hex');
/** A last block without contents. */
const END = Buffer.from('0300', 'hex');

export function gzipFormat(level: number): BlockFormat {
  const slot = level <= ISAL_LEVELS ? isalSlots(level) : undefined;
  return {
    head: HEAD,
    checksum: true,
    slot: slot ?? (() => zlibSlot(level)),
    tail(sum, size) {
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(sum, 0);
      trailer.writeUInt32LE(size % 2 ** 32, 4);
      return Buffer.concat([END, trailer]);
    },
  };
}

const deflate = promisify<Uint8Array, object, Buffer>(deflateRaw);

function zlibSlot(level: number): BlockSlot {
  const input = blockBuffer(BLOCK);
  const options = { level, finishFlush: constants.Z_FULL_FLUSH, chunkSize: BLOCK_BOUND };
  return { input, compress: (length) => deflate(input.subarray(0, length), options), close() {} };
}

/** A maker of slots that has proved a known answer; undefined without ISA-L. */
function isalSlots(level: number): (() => BlockSlot) | undefined {
  const library = loadLibrary('libisal.so.2');
  if (library === undefined) return undefined;
  const init = library.bind<(state: Uint8Array) => void>('void isal_deflate_stateless_init(void*)');
  const run = library.bindAsync<(state: Uint8Array) => number>('int isal_deflate_stateless(void*)');
  const now = library.bind<(state: Uint8Array) => number>('int isal_deflate_stateless(void*)');
  const make = () => {
    const input = blockBuffer(BLOCK);
    const output = blockBuffer(BLOCK_BOUND);
    const levelBuffer = blockBuffer(LEVEL_BYTES);
    const state = blockBuffer(STATE_BYTES);
    const prepare = (length: number): void => {
      init(state);
      state.writeBigUInt64LE(addressOf(input), 0);
      state.writeUInt32LE(length, 8);
      state.writeBigUInt64LE(addressOf(output), 16);
      state.writeUInt32LE(output.length, 24);
      state.writeUInt32LE(level, 40);
      state.writeUInt32LE(levelBuffer.length, 44);
      state.writeBigUInt64LE(addressOf(levelBuffer), 48);
      state.writeUInt16LE(0, 56);
      state.writeUInt16LE(FULL_FLUSH, 58);
    };
    const result = (status: number): Buffer => {
      if (status !== 0) throw new GantryError('ERR_INTERNAL', `ISA-L could not compress: error ${status}`);
      return output.subarray(0, state.readUInt32LE(28));
    };
    return { input, prepare, result, now: () => result(now(state)), later: () => run(state) };
  };
  const proof = make();
  const text = Buffer.from('gantry checks the layout of a foreign struct before it trusts it. '.repeat(40));
  proof.input.set(text);
  proof.prepare(text.length);
  try {
    if (!inflateRawSync(Buffer.concat([proof.now(), END])).equals(text)) return undefined;
  } catch {
    return undefined;
  }
  return () => {
    const { input, prepare, result, later } = make();
    return {
      input,
      async compress(length) {
        prepare(length);
        return result(await later());
      },
      close() {},
    };
  };
}
