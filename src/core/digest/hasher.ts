/**
 * Streaming SHA-2 with two back-ends of one shape: the WASM core (hash-wasm) and the platform's OpenSSL through
 * node:crypto. Which one runs is decided in one place, `calibrate.ts`. Hashers are made once a thread and reset for
 * each layer; `update` is synchronous and keeps nothing of the bytes.
 */
import { createHash, type Hash } from 'node:crypto';
import type { IHasher } from 'hash-wasm';
import { GantryError } from '../errors.js';
import { type Digest, type DigestAlgorithm, digestOf, parseDigest } from './digest.js';

export type HashBackend = 'wasm' | 'native';

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** The digest of all bytes since the last reset. */
  digest(): Digest;
  reset(): void;
}

class WasmHasher implements Hasher {
  constructor(
    readonly algorithm: DigestAlgorithm,
    readonly core: IHasher,
  ) {
    core.init();
  }
  update(bytes: Uint8Array): void {
    this.core.update(bytes);
  }
  digest(): Digest {
    return parseDigest(`${this.algorithm}:${this.core.digest('hex')}`);
  }
  reset(): void {
    this.core.init();
  }
}

class NativeHasher implements Hasher {
  #hash: Hash;
  constructor(readonly algorithm: DigestAlgorithm) {
    this.#hash = createHash(algorithm);
  }
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }
  digest(): Digest {
    return parseDigest(`${this.algorithm}:${this.#hash.digest('hex')}`);
  }
  reset(): void {
    this.#hash = createHash(this.algorithm);
  }
}

/** The module is loaded where it is used: it takes a thread 10 ms to parse. */
async function wasmHasher(algorithm: DigestAlgorithm): Promise<Hasher> {
  const { createSHA256, createSHA512 } = await import('hash-wasm');
  return new WasmHasher(algorithm, await (algorithm === 'sha256' ? createSHA256() : createSHA512()));
}

const KNOWN_ANSWER = Buffer.from('gantry: every byte is checked');

/** Makes a hasher that has proved a known answer. ERR_INTERNAL when it does not give it. */
export async function createHasher(algorithm: DigestAlgorithm, backend: HashBackend): Promise<Hasher> {
  const hasher = backend === 'native' ? new NativeHasher(algorithm) : await wasmHasher(algorithm);
  for (let at = 0; at < KNOWN_ANSWER.length; at += 5) hasher.update(KNOWN_ANSWER.subarray(at, at + 5));
  const found = hasher.digest();
  const expected = digestOf(KNOWN_ANSWER, algorithm);
  if (found !== expected) {
    throw new GantryError(
      'ERR_INTERNAL',
      `${backend} ${algorithm} failed its self-test: expected ${expected}, found ${found}`,
    );
  }
  hasher.reset();
  return hasher;
}
