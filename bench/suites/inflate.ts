/** One real gzip layer through each decompressor that this host has, and the same layer as zstd, in 256 KiB chunks. */
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { chooseDecompressors, type Decompressors } from '../../src/core/compress/backends.js';
import { fixedBuffer } from '../../src/core/ffi.js';
import type { Compression } from '../../src/core/oci/media-types.js';
import type { Case, Suite } from '../harness/suite.js';
import { sampleLayer } from './sample.js';

const CHUNK = 256 << 10;

export async function inflateSuite(): Promise<Suite> {
  const { gzip, tar } = await sampleLayer();
  const cases: Case[] = [];
  for (const wanted of ['node-zlib', 'zlib', 'isa-l'] as const) {
    const backends = await chooseDecompressors({ gzip: wanted });
    if (backends.gzip !== wanted) continue;
    cases.push(inflating(`gzip ${wanted}`, 'gzip', backends, gzip, tar.length));
  }
  cases.push({
    name: 'gzip node gunzipSync, whole',
    group: 'gzip',
    bytes: tar.length,
    run: () => gunzipSync(gzip),
  });
  const backends = await chooseDecompressors();
  if (backends.zstd !== undefined) {
    const zstd = execFileSync('zstd', ['-q', '-c'], { input: tar, maxBuffer: tar.length });
    cases.push(inflating(`zstd ${backends.zstd}`, 'zstd', backends, zstd, tar.length));
  }
  return { cases };
}

function inflating(name: string, kind: Compression, from: Decompressors, blob: Buffer, bytes: number): Case {
  const input = fixedBuffer(CHUNK);
  const output = fixedBuffer(CHUNK);
  return {
    name,
    group: kind,
    bytes,
    run: () => {
      let total = 0;
      const commit = (length: number): void => {
        total += length;
      };
      const inflater = from.create(kind, { acquire: () => output, commit });
      for (let at = 0; at < blob.length; at += CHUNK) {
        const part = blob.subarray(at, at + CHUNK);
        input.set(part);
        inflater.write(input, 0, part.length);
      }
      inflater.finish();
      inflater.close();
      if (total !== bytes) throw new Error(`${name}: expected ${bytes} bytes, found ${total}`);
    },
  };
}
