import { describe, expect, it } from 'vitest';
import { eachDataRun } from '../../src/layer/zero-blocks.js';

/** The runs of a file of `size` zeros, but for the bytes at `data`, that comes in pieces. */
function runs(size: number, data: readonly number[], piece: number): [number, number][] {
  const file = Buffer.alloc(size);
  for (const at of data) file[at] = 1;
  const found: [number, number][] = [];
  for (let offset = 0; offset < size; offset += piece) {
    const end = Math.min(size, offset + piece);
    eachDataRun(file, offset, end, offset, (from, to) => found.push([from, to]));
  }
  return found;
}

describe('stretches of data between blocks of zeros', () => {
  it('are whole blocks of the file', () => {
    expect(runs(40_000, [], 40_000)).toEqual([]);
    expect(runs(40_000, [0, 9000, 13_000, 39_999], 40_000)).toEqual([
      [0, 4096],
      [8192, 16_384],
      [36_864, 40_000],
    ]);
  });
  it('are what a piece has of them at its ends', () => {
    expect(runs(9000, [2500], 1000)).toEqual([[2000, 3000]]);
    expect(runs(9000, [4095, 4096], 5000)).toEqual([[0, 5000]]);
    expect(runs(9000, [6000], 5000)).toEqual([[5000, 8192]]);
  });
  it('a block that begins with zeros is data all the same', () => {
    expect(runs(4096, [4095], 4096)).toEqual([[0, 4096]]);
  });
});
