/** What a thread keeps for all the layers that pass through it: hashers with their self-tests, decompressors. */
import { type BackendChoice, chooseDecompressors, type Decompressors } from '../core/compress/backends.js';
import { type Crc64, createCrc64 } from '../core/digest/crc64.js';
import type { DigestAlgorithm } from '../core/digest/digest.js';
import { createHasher, type HashBackend, type Hasher } from '../core/digest/hasher.js';
import { privateUmask } from '../core/fsops/at.js';

export interface PassTools {
  readonly decompressors: Decompressors;
  readonly crc: Crc64;
  /** A hasher of this thread; the blob and the tar of a layer are hashed at the same time. */
  hasher(which: 'blob' | 'diff', algorithm: DigestAlgorithm): Promise<Hasher>;
}

/** Also gives the calling thread its own umask 0, which the extractor counts on. */
export async function makePassTools(backend: HashBackend, choice: BackendChoice = {}): Promise<PassTools> {
  privateUmask();
  const hashers = new Map<string, Promise<Hasher>>();
  return {
    decompressors: await chooseDecompressors(choice),
    crc: await createCrc64(),
    hasher(which, algorithm) {
      const key = `${which} ${algorithm}`;
      const hasher = hashers.get(key) ?? createHasher(algorithm, backend);
      hashers.set(key, hasher);
      return hasher;
    },
  };
}
