import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseCompression } from '../../../src/core/compress/compression-spec.js';
import { BlockCompressor, type BlockFormat } from '../../../src/core/compress/compressor.js';
import { gzipFormat } from '../../../src/core/compress/gzip-blocks.js';
import { lz4Format } from '../../../src/core/compress/lz4-frames.js';
import { openCompressor } from '../../../src/core/compress/open-compressor.js';
import { zstdFormat } from '../../../src/core/compress/zstd-frames.js';

/** More than two blocks of each format, of which one does not compress. */
const text = Buffer.concat([
  Buffer.alloc(5_000_000, 'a layer of an image '),
  randomBytes(4_300_000),
  Buffer.alloc(900_001, 'end'),
]);

async function compress(format: BlockFormat, width: number, bytes: Buffer, step: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  const compressor = new BlockCompressor(format, width, (part) => void parts.push(Buffer.from(part)));
  try {
    for (let at = 0; at < bytes.length; at += step) await compressor.write(bytes.subarray(at, at + step));
    await compressor.finish();
  } finally {
    await compressor.close();
  }
  return Buffer.concat(parts);
}

const tool = (name: string, input: Buffer): Buffer =>
  execFileSync(name, ['-dc'], { input, maxBuffer: 1 << 26, stdio: ['pipe', 'pipe', 'inherit'] });

const formats: [string, string, () => BlockFormat | Promise<BlockFormat>][] = [
  ['gzip:1', 'gzip', () => gzipFormat(1)],
  ['gzip:3', 'gzip', () => gzipFormat(3)],
  ['gzip:6', 'gzip', () => gzipFormat(6)],
  ['zstd:3', 'zstd', () => zstdFormat(3)],
  ['lz4 by liblz4', 'lz4', () => lz4Format('liblz4')],
  ['lz4 by lz4-napi', 'lz4', () => lz4Format('lz4-napi')],
];

describe.each(formats)('%s', (_, name, make) => {
  it('is what its tool reads', async () => {
    const stream = await compress(await make(), 3, text, 256 * 1024);
    expect(tool(name, stream).equals(text)).toBe(true);
    expect(stream.length).toBeLessThan(text.length * 0.6);
  });

  it('is a stream of nothing for nothing', async () => {
    expect(tool(name, await compress(await make(), 3, Buffer.alloc(0), 1))).toHaveLength(0);
  });

  it('depends on the bytes alone, not on threads and writes', async () => {
    const one = await compress(await make(), 1, text, 1_000_000);
    const many = await compress(await make(), 5, text, 77_777);
    expect(many.equals(one)).toBe(true);
  });
});

it('is closed while blocks are under way', async () => {
  const compressor = await openCompressor({ format: 'zstd', level: 3 }, () => {});
  const written = compressor.write(text);
  await compressor.close();
  await Promise.allSettled([written]);
});

it('ends with what its output throws', async () => {
  const full = (): never => {
    throw new Error('disk full');
  };
  const compressor = await openCompressor({ format: 'lz4', level: 0 }, full);
  try {
    await expect((async () => compressor.write(Buffer.concat([text, text, text, text])))()).rejects.toThrow(
      'disk full',
    );
  } finally {
    await compressor.close();
  }
});

describe('--compression', () => {
  const all = ['none', 'gzip', 'zstd', 'lz4'] as const;
  it.each([
    ['none', { format: 'none', level: 0 }],
    ['gzip', { format: 'gzip', level: 2 }],
    ['zstd:19', { format: 'zstd', level: 19 }],
    ['lz4', { format: 'lz4', level: 0 }],
  ])('%s', (given, spec) => expect(parseCompression(given, all)).toEqual(spec));

  it.each(['', 'xz', 'gzip:0', 'gzip:10', 'gzip:', 'gzip:1:2', 'lz4:9', 'toString', 'zstd:-1'])(
    'refuses %j',
    (given) => expect(() => parseCompression(given, all)).toThrow(/invalid compression: expected/),
  );
  it('names what is allowed', () =>
    expect(() => parseCompression('lz4', ['none', 'gzip'])).toThrow(
      'expected none, gzip[:LEVEL], found "lz4"',
    ));
});
