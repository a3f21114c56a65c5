import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { chooseDecompressors } from '../../../src/core/compress/backends.js';
import { inflatingWriter } from '../../../src/core/compress/inflating-writer.js';
import { temporaryDirectory } from '../../helpers/layer-fixture.js';

const work = temporaryDirectory();
afterAll(() => work.remove());

async function inflate(chunks: Iterable<Buffer>, to: string): Promise<void> {
  const decompressors = await chooseDecompressors();
  const fd = openSync(to, 'w');
  try {
    await pipeline(Readable.from(chunks, { objectMode: true }), inflatingWriter({ fd, decompressors }));
  } finally {
    closeSync(fd);
  }
}

it('writes what the stream holds, however it comes', async () => {
  const text = Buffer.alloc(3_000_000, 'a layer of an image ');
  const stream = gzipSync(text);
  const path = join(work.path, 'text');
  await inflate([stream.subarray(0, 10), stream.subarray(10)], path);
  expect(readFileSync(path).equals(text)).toBe(true);
});

it('refuses a stream that ends early', async () => {
  const stream = gzipSync(Buffer.alloc(3_000_000, 'cut'));
  await expect(inflate([stream.subarray(0, -20)], '/dev/null')).rejects.toMatchObject({
    code: 'ERR_LAYER_INVALID',
  });
});

it('stops a bomb at the bound', async () => {
  const zeros = gzipSync(Buffer.alloc(16 * 1024 * 1024));
  const endless = function* (): Generator<Buffer> {
    for (;;) yield zeros;
  };
  await expect(inflate(endless(), '/dev/null')).rejects.toMatchObject({ code: 'ERR_LAYER_TOO_LARGE' });
}, 30_000);
