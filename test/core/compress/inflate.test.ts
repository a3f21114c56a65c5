import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chooseDecompressors } from '../../../src/core/compress/backends.js';
import { type InflaterBackend, sniffCompression } from '../../../src/core/compress/inflater.js';
import { fixedBuffer } from '../../../src/core/ffi.js';
import type { Compression } from '../../../src/core/oci/media-types.js';

const text = Buffer.concat([Buffer.alloc(300_000, 'layer '), randomBytes(100_000), Buffer.alloc(70_000)]);

async function inflate(
  backend: InflaterBackend,
  compression: Compression,
  stream: Buffer,
  step: number,
): Promise<Buffer> {
  const chosen = await chooseDecompressors({ gzip: backend });
  if (compression === 'gzip') expect(chosen.gzip).toBe(backend);
  const input = fixedBuffer(Math.max(step, 1));
  const region = fixedBuffer(4096);
  const parts: Buffer[] = [];
  const inflater = chosen.create(compression, {
    acquire: () => region,
    commit: (length) => void parts.push(Buffer.from(region.subarray(0, length))),
  });
  for (let at = 0; at < stream.length; at += step) {
    const part = stream.subarray(at, at + step);
    input.set(part);
    inflater.write(input, 0, part.length);
  }
  inflater.finish();
  inflater.close();
  return Buffer.concat(parts);
}

describe.each(['isa-l', 'zlib', 'node-zlib'] as const)('gzip by %s', (backend) => {
  it.each([1000, 65_536, 1_000_000])('one member in steps of %i bytes', async (step) => {
    expect((await inflate(backend, 'gzip', gzipSync(text), step)).equals(text)).toBe(true);
  });

  it('several members and zero padding', async () => {
    const stream = Buffer.concat([
      gzipSync(text),
      gzipSync(Buffer.alloc(0)),
      gzipSync(text),
      Buffer.alloc(513),
    ]);
    expect((await inflate(backend, 'gzip', stream, 777)).equals(Buffer.concat([text, text]))).toBe(true);
  });

  it('refuses a stream that is cut', async () => {
    const stream = gzipSync(text);
    await expect(inflate(backend, 'gzip', stream.subarray(0, stream.length - 9), 4096)).rejects.toThrow(
      /invalid gzip stream/,
    );
    await expect(inflate(backend, 'gzip', Buffer.alloc(0), 4096)).rejects.toThrow(/invalid gzip stream/);
  });

  it('refuses a flipped bit', async () => {
    const stream = gzipSync(text);
    stream[stream.length >> 1]! ^= 0x10;
    await expect(inflate(backend, 'gzip', stream, 4096)).rejects.toThrow(/invalid gzip stream/);
  });
});

it.each(['isa-l', 'zlib'] as const)('%s refuses garbage after the last member', async (backend) => {
  const stream = Buffer.concat([gzipSync(text), Buffer.from('rubbish')]);
  await expect(inflate(backend, 'gzip', stream, 4096)).rejects.toThrow(/garbage after its end/);
});

describe('zstd', () => {
  const frame = execFileSync('zstd', ['-c', '-3'], { input: text, maxBuffer: 1 << 24 });

  it('decodes one frame, and two', async () => {
    expect((await inflate('zlib', 'zstd', frame, 1000)).equals(text)).toBe(true);
    const twice = Buffer.concat([frame, frame]);
    expect((await inflate('zlib', 'zstd', twice, 65_536)).equals(Buffer.concat([text, text]))).toBe(true);
  });

  it('refuses a cut and a damaged frame', async () => {
    await expect(inflate('zlib', 'zstd', frame.subarray(0, frame.length - 5), 4096)).rejects.toThrow(
      /invalid zstd stream/,
    );
    const damaged = Buffer.from(frame);
    damaged[frame.length >> 1]! ^= 0xff;
    await expect(inflate('zlib', 'zstd', damaged, 4096)).rejects.toThrow(/invalid zstd stream/);
  });
});

describe('lz4', () => {
  const lz4 = (...flags: string[]) =>
    execFileSync('lz4', ['-c', ...flags], {
      input: text,
      maxBuffer: 1 << 24,
      stdio: ['pipe', 'pipe', 'ignore'],
    });

  it.each([[], ['-BD', '-B4'], ['-B7', '--content-size'], ['-B5', '-BX', '--no-frame-crc']])(
    'decodes one frame, and two: lz4 %s',
    async (...flags) => {
      const frame = lz4(...flags);
      expect((await inflate('zlib', 'lz4', frame, 1000)).equals(text)).toBe(true);
      const twice = Buffer.concat([frame, frame]);
      expect((await inflate('zlib', 'lz4', twice, 65_536)).equals(Buffer.concat([text, text]))).toBe(true);
    },
  );

  it('refuses a cut, a damaged frame and rubbish after it', async () => {
    const frame = lz4();
    const bad = (stream: Buffer) =>
      expect(inflate('zlib', 'lz4', stream, 4096)).rejects.toThrow(/invalid lz4 stream/);
    await bad(frame.subarray(0, frame.length - 5));
    const damaged = Buffer.from(frame);
    damaged[frame.length >> 1]! ^= 0xff;
    await bad(damaged);
    await bad(Buffer.concat([frame, Buffer.from('rubbish')]));
  });
});

it('passes uncompressed bytes through', async () => {
  expect((await inflate('zlib', 'none', text, 10_000)).equals(text)).toBe(true);
});

it('tells compression by magic number', async () => {
  expect(sniffCompression(gzipSync('x'))).toBe('gzip');
  expect(sniffCompression(Buffer.from('28b52ffd00', 'hex'))).toBe('zstd');
  expect(sniffCompression(Buffer.from('04224d1860', 'hex'))).toBe('lz4');
  expect(sniffCompression(Buffer.from('etc/passwd'))).toBe('none');
});
