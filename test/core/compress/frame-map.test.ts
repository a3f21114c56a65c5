/** Parts of compressed files by their frames: as gantry and the tools write them, and as nobody should. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseDecompressors } from '../../../src/core/compress/backends.js';
import { beginsWithFrame, type FrameMap, framesOf, mapFrames } from '../../../src/core/compress/frame-map.js';
import { openCompressor } from '../../../src/core/compress/open-compressor.js';
import { readFrames } from '../../../src/core/compress/read-frames.js';
import { fixedBuffer } from '../../../src/core/ffi.js';
import { temporaryDirectory } from '../../helpers/layer-fixture.js';

const work = temporaryDirectory();
afterAll(() => work.remove());

const text = Buffer.concat([
  Buffer.alloc(5_000_000, 'a layer of an image '),
  randomBytes(4_300_000),
  Buffer.alloc(900_001, 'end'),
]);
const SKIPPED = Buffer.from('532a4d1803000000aabbcc', 'hex');

async function compress(format: 'lz4' | 'zstd', bytes: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [];
  const compressor = await openCompressor({ format, level: 3 }, (part) => void parts.push(Buffer.from(part)));
  await compressor.write(bytes);
  await compressor.finish();
  await compressor.close();
  return Buffer.concat(parts);
}

function withFile<T>(bytes: Buffer, use: (fd: number) => T): T {
  const path = join(work.path, 'file');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

const mapOf = (bytes: Buffer): FrameMap | undefined => withFile(bytes, (fd) => mapFrames(fd, bytes.length));

async function part(bytes: Buffer, offset: number, size: number): Promise<Buffer> {
  const decompressors = await chooseDecompressors();
  return withFile(bytes, (fd) => {
    const parts: Buffer[] = [];
    const sink = (from: Uint8Array, start: number, end: number): void =>
      void parts.push(Buffer.from(from.subarray(start, end)));
    const map = mapFrames(fd, bytes.length)!;
    readFrames({ fd, map, offset, size, decompressors, buffer: fixedBuffer(10_000), sink });
    return Buffer.concat(parts);
  });
}

describe.each(['lz4', 'zstd'] as const)('%s', (format) => {
  it('gives any part, with frames to be skipped between', async () => {
    const head = text.subarray(0, 700);
    const tail = text.subarray(700);
    const stream = Buffer.concat([await compress(format, head), SKIPPED, await compress(format, tail)]);
    expect(beginsWithFrame(stream)).toBe(true);
    const places = [0, 1, 699, 700, 701, 4_194_304, 5_000_000, text.length - 1];
    for (const offset of places) {
      for (const size of [1, 700, 4_500_000]) {
        const found = await part(stream, offset, size);
        expect(found.equals(text.subarray(offset, offset + size)), `${size} at ${offset}`).toBe(true);
      }
    }
  });

  it('decodes no frame that holds nothing of it', async () => {
    const map = mapOf(await compress(format, text))!;
    expect(map.frames.map(({ length }) => length)).toEqual([4_194_304, 4_194_304, text.length - 8_388_608]);
    expect(framesOf(map, 4_194_304, 1).frames).toEqual([map.frames[1]]);
    expect(framesOf(map, 4_194_303, 2).frames).toEqual(map.frames.slice(0, 2));
    expect(framesOf(map, text.length, 10).frames).toEqual([]);
  });

  it('maps nothing that is cut off or goes on as something else', async () => {
    const stream = await compress(format, text.subarray(0, 5_000_000));
    for (const cut of [1, 5, 1000]) expect(mapOf(stream.subarray(0, -cut))).toBeUndefined();
    expect(mapOf(Buffer.concat([stream, Buffer.alloc(100)]))).toBeUndefined();
  });

  it('finds a frame that holds less or more than its header says', async () => {
    const stream = await compress(format, Buffer.alloc(300_000, 'said'));
    const at = format === 'lz4' ? 6 : stream.indexOf(Buffer.from([0xe0, 0x93, 0x04]));
    for (const said of [299_999, 300_001]) {
      const changed = Buffer.from(stream);
      changed.writeUIntLE(said, at, 3);
      await expect(part(changed, 0, said)).rejects.toMatchObject({ code: 'ERR_LAYER_INVALID' });
    }
  });

  it('refuses small frames that hold too much together', async () => {
    const zeros = await compress(format, Buffer.alloc(4_194_304));
    const bomb = Buffer.concat(Array.from({ length: 257 }, () => zeros));
    expect(() => mapOf(bomb)).toThrowError(
      expect.objectContaining({
        code: 'ERR_LAYER_TOO_LARGE',
        message: expect.stringContaining('1077936128'),
      }),
    );
  });
});

describe('what tools write in one frame', () => {
  it.each([
    ['lz4', ['-c']],
    ['lz4', ['-c', '--content-size']],
    ['zstd', ['-c']],
    ['gzip', ['-c']],
  ] as const)('has no map: %s %j', (tool, flags) => {
    const path = join(work.path, 'large');
    writeFileSync(path, Buffer.concat([text, text]));
    const stream = execFileSync(tool, [...flags, path], {
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(mapOf(stream)).toBeUndefined();
    expect(beginsWithFrame(stream)).toBe(false);
  });

  it('has one when it is small', () => {
    const path = join(work.path, 'small');
    writeFileSync(path, text.subarray(0, 1_000_000));
    const stream = execFileSync('zstd', ['-c', path], { maxBuffer: 1 << 26 });
    expect(mapOf(stream)).toEqual({
      compression: 'zstd',
      frames: [{ offset: 0, size: stream.length, start: 0, length: 1_000_000 }],
    });
  });
});
