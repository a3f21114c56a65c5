/**
 * CRC-64/GO-ISO (reflected polynomial 0xD800000000000000), the per-file checksum of tar-split. ISA-L does it with
 * carry-less multiplication, about 50 times as fast as the WASM core, which is the fallback. Both must give the
 * known answer for "123456789".
 */
import { GantryError } from '../errors.js';
import { AddressCache, loadLibrary } from '../ffi.js';

export interface Crc64 {
  reset(): void;
  update(bytes: Uint8Array, start: number, end: number): void;
  /** 8 bytes, big endian, as tar-split stores it. A view that the next call overwrites. */
  digest(): Buffer;
}

const CHECK_INPUT = Buffer.from('123456789');
const CHECK = 'b90956c775a41001';
const MASK = 0xffff_ffff_ffff_ffffn;

function isalCrc64(): Crc64 | undefined {
  const crc = loadLibrary('libisal.so.2')?.bind<
    (seed: bigint | number, address: number, length: number) => bigint | number
  >('uint64_t crc64_iso_refl(uint64_t, uintptr_t, uint64_t)');
  if (crc === undefined) return undefined;
  const out = Buffer.alloc(8);
  let state: bigint | number = 0;
  const addresses = new AddressCache();
  return {
    reset() {
      state = 0;
    },
    update(bytes, start, end) {
      state = crc(state, addresses.of(bytes) + start, end - start);
    },
    digest() {
      out.writeBigUInt64BE(BigInt(state) & MASK);
      return out;
    },
  };
}

async function wasmCrc64(): Promise<Crc64> {
  const { createCRC64 } = await import('hash-wasm');
  const core = await createCRC64('D800000000000000');
  core.init();
  return {
    reset: () => void core.init(),
    update: (bytes, start, end) => void core.update(bytes.subarray(start, end)),
    digest: () => Buffer.from(core.digest('binary')),
  };
}

/** The fastest implementation that this host has. ERR_INTERNAL when none gives the known answer. */
export async function createCrc64(backend?: 'isa-l' | 'wasm'): Promise<Crc64> {
  const makers = { 'isa-l': isalCrc64, wasm: wasmCrc64 } as const;
  for (const make of backend === undefined ? Object.values(makers) : [makers[backend]]) {
    const crc = await make();
    if (crc === undefined) continue;
    crc.update(CHECK_INPUT, 0, CHECK_INPUT.length);
    if (crc.digest().toString('hex') !== CHECK) continue;
    crc.reset();
    return crc;
  }
  throw new GantryError('ERR_INTERNAL', 'no crc64 implementation gave the known answer');
}
