import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseHashBackend } from '../../../src/core/digest/calibrate.js';
import { createCrc64 } from '../../../src/core/digest/crc64.js';
import { chainIDsOf, digestOf, parseDiffID, parseDigest } from '../../../src/core/digest/digest.js';
import { createHasher } from '../../../src/core/digest/hasher.js';

const hex = 'a'.repeat(64);

describe('parseDigest', () => {
  it.each([`sha256:${hex}`, `sha512:${hex}${hex}`])('accepts %s', (text) => {
    expect(parseDigest(text)).toBe(text);
  });
  it.each([
    '',
    hex,
    `sha256:${hex}a`,
    `sha256:${hex.slice(1)}`,
    `sha256:${hex.toUpperCase()}`,
    `md5:${hex}`,
    `sha256:../${hex.slice(3)}`,
  ])('refuses %j', (text) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_DIGEST' }));
  });
});

it('chains ids as image-spec does', () => {
  const a = parseDiffID(`sha256:${hex}`);
  const b = parseDiffID(`sha256:${'b'.repeat(64)}`);
  expect(chainIDsOf([a, b])).toEqual([a, digestOf(`${a} ${b}`)]);
});

describe.each(['sha256', 'sha512'] as const)('%s', (algorithm) => {
  it.each(['wasm', 'native'] as const)(
    'by %s agrees with OpenSSL on streamed bytes, twice',
    async (backend) => {
      const bytes = randomBytes(300_001);
      const hasher = await createHasher(algorithm, backend);
      for (let round = 0; round < 2; round++) {
        for (let at = 0; at < bytes.length; at += 70_000) hasher.update(bytes.subarray(at, at + 70_000));
        expect(hasher.digest()).toBe(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
        hasher.reset();
      }
    },
  );
});

it('both crc64 implementations agree', async () => {
  const bytes = new Uint8Array(new ArrayBuffer(100_000));
  bytes.set(randomBytes(100_000));
  const found = [];
  for (const backend of ['isa-l', 'wasm'] as const) {
    const crc = await createCrc64(backend);
    crc.update(bytes, 3, 50_000);
    crc.update(bytes, 50_000, 99_999);
    found.push(crc.digest().toString('hex'));
  }
  expect(found[0]).toBe(found[1]);
});

it('keeps what it measured of the hash back-ends, and measures again on another machine', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-hash-'));
  try {
    const file = join(dir, 'gantry', 'hash.json');
    const choice = await chooseHashBackend('auto', file);
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    expect(choice).toBe(kept.wasm > kept.native ? 'wasm' : 'native');
    expect(await chooseHashBackend('wasm', file)).toBe('wasm');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
