import { closeSync, copyFileSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changedBytes, newCompareBuffers } from '../../src/copyup/changed-blocks.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const KiB = 1024;
const MiB = 1024 * KiB;

describe('changed blocks', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let lower: string;
  let upper: string;
  beforeEach(() => {
    directory = temporaryDirectory();
    lower = join(directory.path, 'lower');
    upper = join(directory.path, 'upper');
  });
  afterEach(() => directory.remove());

  /** Fills the lower file with ones and makes the upper one its copy. */
  const fill = (bytes: number): void => {
    writeFileSync(lower, Buffer.alloc(bytes, 1));
    copyFileSync(lower, upper);
  };
  const put = (file: string, at: number, bytes: Buffer): void => {
    const fd = openSync(file, 'r+');
    writeSync(fd, bytes, 0, bytes.length, at);
    closeSync(fd);
  };
  const touch = (...offsets: number[]): void => {
    for (const at of offsets) put(upper, at, Buffer.from('\0'));
  };
  const sparse = (file: string, size: number): void => {
    writeFileSync(file, '');
    truncateSync(file, size);
  };
  const changed = (range = {}) => {
    const [below, above] = [openSync(lower, 'r'), openSync(upper, 'r')];
    try {
      return changedBytes(below, above, range, newCompareBuffers());
    } finally {
      closeSync(below);
      closeSync(above);
    }
  };

  it('finds nothing in an untouched copy, and each page that was touched', () => {
    fill(3 * MiB + 5);
    expect(changed()).toEqual({ block4k: 0, block64k: 0 });
    touch(4096, 8191, 2 * MiB, 2 * MiB + 65_535);
    expect(changed()).toEqual({ block4k: 3 * 4 * KiB, block64k: 2 * 64 * KiB });
  });

  it('counts the bytes that a short last block has', () => {
    fill(64 * KiB + 100);
    touch(64 * KiB + 99);
    expect(changed()).toEqual({ block4k: 100, block64k: 100 });
  });

  it('counts what was appended, and not what was cut off', () => {
    fill(10 * KiB);
    put(upper, 10 * KiB, Buffer.alloc(10 * KiB, 2));
    // the block in which the lower file ends is one of those that changed
    expect(changed()).toEqual({ block4k: 12 * KiB, block64k: 20 * KiB });
    truncateSync(upper, 5 * KiB);
    expect(changed()).toEqual({ block4k: 0, block64k: 0 });
    truncateSync(upper, 0);
    expect(changed()).toEqual({ block4k: 0, block64k: 0 });
  });

  it('takes zeros that were appended for data and a hole for nothing', () => {
    fill(64 * KiB);
    put(upper, 64 * KiB, Buffer.alloc(8 * KiB));
    truncateSync(upper, 64 * MiB);
    expect(changed()).toEqual({ block4k: 8 * KiB, block64k: 64 * KiB });
  });

  it('passes over terabytes of hole, and sees data and zeros in them', () => {
    for (const file of [lower, upper]) sparse(file, 2 ** 42);
    put(lower, 2 ** 40, Buffer.alloc(4 * KiB, 7));
    put(upper, 2 ** 41, Buffer.alloc(4 * KiB, 7));
    put(upper, 2 ** 41 + 64 * KiB, Buffer.alloc(4 * KiB)); // zeros in one, a hole in the other: the same
    expect(statSync(upper).blocks * 512).toBeLessThan(MiB);
    expect(changed()).toEqual({ block4k: 8 * KiB, block64k: 128 * KiB });
  });

  it('adds up over stretches', () => {
    fill(4 * MiB);
    const offsets = Array.from({ length: 40 }, (_, at) => at * 104_729);
    touch(...offsets);
    put(upper, 4 * MiB + 1, Buffer.alloc(100, 1));
    const whole = changed();
    expect(whole.block4k).toBe(new Set(offsets.map((at) => at >> 12)).size * 4 * KiB + 101);
    const parts = [changed({ end: MiB }), changed({ start: MiB, end: 3 * MiB }), changed({ start: 3 * MiB })];
    for (const block of ['block4k', 'block64k'] as const) {
      expect(parts.reduce((sum, part) => sum + part[block], 0)).toBe(whole[block]);
    }
  });
});
