/**
 * Digests over a chunk as large as the data path uses: WASM against OpenSSL for SHA-2 (`--hash auto` takes
 * the faster) and against ISA-L for tar-split's CRC64, and the other checksums of the WASM core.
 */
import { createBLAKE3, createXXHash3 } from 'hash-wasm';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { createHasher } from '../../src/core/digest/hasher.js';
import type { Case, Suite } from '../harness/suite.js';

const BYTES = 16 << 20;
const CHUNK = 256 << 10;

export async function hashSuite(): Promise<Suite> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK).map((_, index) => index * 31);
  const over = (name: string, group: string, update: (bytes: Uint8Array) => unknown): Case => ({
    name,
    group,
    bytes: BYTES,
    run: () => {
      for (let done = 0; done < BYTES; done += CHUNK) update(chunk);
    },
  });
  const cases: Case[] = [];
  for (const algorithm of ['sha256', 'sha512'] as const) {
    for (const backend of ['wasm', 'native'] as const) {
      const hasher = await createHasher(algorithm, backend);
      cases.push(over(`${algorithm} ${backend}`, algorithm, (bytes) => hasher.update(bytes)));
    }
  }
  for (const backend of ['wasm', 'isa-l'] as const) {
    const crc = await createCrc64(backend).catch(() => undefined);
    if (crc !== undefined) {
      cases.push(over(`crc64 ${backend}`, 'crc64', (bytes) => crc.update(bytes, 0, bytes.length)));
    }
  }
  const [blake3, xxh3] = [await createBLAKE3(), await createXXHash3()];
  cases.push(over('blake3 wasm', 'blake3', (bytes) => blake3.update(bytes)));
  cases.push(over('xxh3 wasm', 'xxh3', (bytes) => xxh3.update(bytes)));
  return { cases };
}
