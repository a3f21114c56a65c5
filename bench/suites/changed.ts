/** What of a copied file changed: comparing the two files as changed-blocks.ts does, against hashing both with the WASM core. */
import { closeSync, copyFileSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createXXHash3 } from 'hash-wasm';
import { changedBytes, newCompareBuffers } from '../../src/copyup/changed-blocks.js';
import type { Case, Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';

const FILE_BYTES = 64 * 1024 * 1024;
const CHUNK = 256 * 1024;

export async function changedSuite(): Promise<Suite> {
  const paths = ['lower', 'upper'].map((name) => join(benchDir(), `changed-${name}`)) as [string, string];
  writeFileSync(paths[0], Buffer.alloc(FILE_BYTES, 'a page of a database '));
  copyFileSync(paths[0], paths[1]);
  const [lower, upper] = paths.map((path) => openSync(path, 'r')) as [number, number];
  const compareBuffers = newCompareBuffers();
  const xxh3 = await createXXHash3();
  const chunk = Buffer.alloc(CHUNK);

  const hashes = (fd: number, block: number): string[] => {
    const found: string[] = [];
    for (let at = 0; at < FILE_BYTES; at += CHUNK) {
      readSync(fd, chunk, 0, CHUNK, at);
      for (let inside = 0; inside < CHUNK; inside += block) {
        xxh3.init();
        xxh3.update(chunk.subarray(inside, inside + block));
        found.push(xxh3.digest());
      }
    }
    return found;
  };
  const group = 'changed';
  const cases: Case[] = [
    {
      name: 'compare, 64 KiB and 4 KiB where they differ',
      group,
      bytes: FILE_BYTES,
      run: () => changedBytes(lower, upper, {}, compareBuffers),
    },
    ...[4096, 65_536].map((block) => ({
      name: `XXH3 of both, ${block >> 10} KiB`,
      group,
      bytes: FILE_BYTES,
      run: () => {
        const of = hashes(upper, block);
        return hashes(lower, block).filter((hash, at) => hash !== of[at]).length * block;
      },
    })),
  ];
  return {
    cases,
    close: () => {
      closeSync(lower);
      closeSync(upper);
    },
  };
}
