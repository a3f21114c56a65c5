/** Makes a thread's tools for layer passes, once: buffers, hashers with their self-tests, decompressors. */
import { type BackendChoice, chooseDecompressors } from '../core/compress/backends.js';
import { createCrc64 } from '../core/digest/crc64.js';
import { createHasher, type HashBackend } from '../core/digest/hasher.js';
import { fixedBuffer } from '../core/ffi.js';
import { privateUmask } from '../core/fsops/at.js';
import type { PassTools } from './layer-pass.js';

/** Tar bytes that are hashed and written at one go. */
const REGION_BYTES = 256 * 1024;

/** Also gives the calling thread its own umask 0, which the extractor counts on. */
export async function makePassTools(backend: HashBackend, choice: BackendChoice = {}): Promise<PassTools> {
  privateUmask();
  const hashers = {
    blob: { sha256: await createHasher('sha256', backend), sha512: await createHasher('sha512', backend) },
    diff: { sha256: await createHasher('sha256', backend), sha512: await createHasher('sha512', backend) },
  };
  return {
    decompressors: chooseDecompressors(choice),
    hasher: (which, algorithm) => hashers[which][algorithm],
    crc: await createCrc64(),
    region: Buffer.from(fixedBuffer(REGION_BYTES).buffer),
  };
}
