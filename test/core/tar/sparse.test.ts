/** Sparse files against what GNU tar itself writes, in each of its formats. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { END_OF_ARCHIVE, tarEntry } from '../../../bench/images/tar-header.js';
import { everyByte, fingerprint, readTar } from '../../helpers/read-tar.js';

const KiB = 1024;
/** Extents as [offset, bytes]; GNU tar finds holes in whole file system blocks. */
const FILES: Readonly<Record<string, { size: number; extents: [number, number][] }>> = {
  middle: { size: 400_001, extents: [[128 * KiB, 5000]] },
  ends: {
    size: 300 * KiB + 7,
    extents: [
      [0, 10],
      [300 * KiB, 7],
    ],
  },
  hole: { size: 100_000, extents: [] },
  many: { size: 40 * 64 * KiB, extents: Array.from({ length: 40 }, (_, at) => [at * 64 * KiB, 100]) },
  // More extents than one map block of the 1.0 format holds.
  most: { size: 300 * 16 * KiB, extents: Array.from({ length: 300 }, (_, at) => [at * 16 * KiB, 3]) },
};

describe('sparse files of GNU tar', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gantry-sparse-'));
    for (const [name, { size, extents }] of Object.entries(FILES)) {
      const fd = openSync(join(dir, name), 'w');
      for (const [offset, length] of extents) writeSync(fd, Buffer.alloc(length, name), 0, length, offset);
      closeSync(fd);
      truncateSync(join(dir, name), size);
    }
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const formats = {
    'type S': ['--format=gnu'],
    '0.0': ['--format=posix', '--sparse-version=0.0'],
    '0.1': ['--format=posix', '--sparse-version=0.1'],
    '1.0': ['--format=posix', '--sparse-version=1.0'],
  };
  for (const [format, flags] of Object.entries(formats)) {
    it(format, () => {
      const names = Object.keys(FILES);
      const tar = execFileSync('tar', [...flags, '--sparse', '-C', dir, '-cf', '-', ...names], {
        maxBuffer: 1 << 26,
      });
      const { entries, rebuilt } = readTar(tar);
      expect(rebuilt.equals(tar)).toBe(true);
      expect(entries.map(({ name }) => name)).toEqual(names);
      for (const { name, content, sparse, size } of entries) {
        expect(sparse, `${name} is sparse`).toBeDefined();
        expect(size).toBe(FILES[name]!.size);
        expect(content.equals(readFileSync(join(dir, name))), name).toBe(true);
      }
      const head = tar.subarray(0, 64 * KiB);
      const feed = (cuts: Iterable<number>) => {
        try {
          return fingerprint(readTar(head, cuts));
        } catch (error) {
          return (error as Error).message;
        }
      };
      expect(feed(everyByte(head))).toEqual(feed([]));
    });
  }
});

describe('maps that are wrong', () => {
  const v01 = (map: string, size: string, data = 'abc') => ({
    data: Buffer.from(data),
    pax: { 'GNU.sparse.map': map, 'GNU.sparse.size': size },
  });
  const v10 = (table: string, size = '100', more: Record<string, string> = {}) => {
    const block = Buffer.alloc(512);
    block.write(table);
    const pax = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': size, ...more };
    return { data: Buffer.concat([block, Buffer.from('abc')]), pax };
  };
  it.each([
    ['beyond the file', v01('98,3', '100'), /outside order or file size/],
    ['out of order', v01('10,2,5,1', '100'), /outside order/],
    ['overlapping', v01('0,2,1,1', '100'), /outside order/],
    ['that hold less than the entry', v01('0,2', '100'), /holds 2 bytes, the entry 3/],
    ['of odd length', v01('0,3,5', '100'), /bad sparse map/],
    ['that are no numbers', v01('0,x', '100'), /outside order/],
    ['of a file without a size', v01('0,3', 'x'), /bad real size/],
    ['of a file of negative size', v01('0,3', '-3'), /bad real size/],
    ['of an infinite file', v01('0,3', 'Infinity'), /bad real size/],
    ['with letters', v10('one\n'), /bad sparse map/],
    ['with a million segments and more', v10('1000001\n'), /sparse map of 1000001 segments/],
    ['that do not end', v10(`500\n${'0\n'.repeat(254)}`), /sparse map is cut/],
    ['of no known version', v10('', '1', { 'GNU.sparse.minor': '7' }), /unknown sparse format 1.7/],
    ['missing', { ...v10(''), data: Buffer.from('x') }, /sparse map is missing/],
  ])('%s', (_, more, message) => {
    const tar = Buffer.concat([tarEntry({ name: 'x', type: '0', mode: 0o644, ...more }), END_OF_ARCHIVE]);
    expect(() => readTar(tar)).toThrow(
      expect.objectContaining({ code: 'ERR_LAYER_INVALID', message: expect.stringMatching(message) }),
    );
  });
});

it('a large map costs time in proportion to its length', () => {
  const count = 150_000;
  const lines = [String(count)];
  for (let at = 0; at < count; at++) lines.push(String(at * 2), '0');
  const text = Buffer.from(`${lines.join('\n')}\n`);
  const data = Buffer.concat([text, Buffer.alloc((512 - (text.length % 512)) % 512)]);
  const pax = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': String(count * 2) };
  const tar = Buffer.concat([tarEntry({ name: 'x', type: '0', mode: 0o644, data, pax }), END_OF_ARCHIVE]);
  const began = performance.now();
  expect(readTar(tar).entries[0]?.size).toBe(count * 2);
  expect(performance.now() - began).toBeLessThan(2000);
}, 120_000);
