/** Damaged archives: the reader may refuse them in its own words, and nothing else may happen. */
import { describe, expect, it } from 'vitest';
import { END_OF_ARCHIVE, withChecksum } from '../../../bench/images/tar-header.js';
import { GantryError } from '../../../src/core/errors.js';
import { random } from '../../helpers/random.js';
import { readTar } from '../../helpers/read-tar.js';
import { allEntries } from '../../helpers/torture-image.js';

const SEED = Number(process.env.GANTRY_SEED ?? 1);
const ROUNDS = Number(process.env.GANTRY_FUZZ ?? 1500);

describe(`mutated archives (seed ${SEED}, ${ROUNDS} rounds)`, () => {
  it('are read or refused', () => {
    const next = random(SEED);
    const parts = allEntries();
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const chosen = Array.from({ length: 1 + next(6) }, () => Buffer.from(parts[next(parts.length)]!));
      let tar = Buffer.concat([...chosen, END_OF_ARCHIVE]);
      for (let count = next(4); count >= 0; count--) {
        const at = next(tar.length);
        const block = tar.subarray(at - (at % 512), at - (at % 512) + 512);
        tar[at] = [0, 0x80, 0xff, 0x2f, 0x37, 0x39, 0x0a, next(256)][next(8)]!;
        // Half of them pass the checksum, so that what lies behind it is reached.
        if (next(2) === 0 && block.length === 512 && block.toString('latin1', 257, 262) === 'ustar') {
          withChecksum(block);
        }
      }
      if (next(4) === 0) tar = tar.subarray(0, next(tar.length));
      const cuts = Array.from({ length: next(4) }, () => next(tar.length + 1)).sort((a, b) => a - b);
      try {
        const { rebuilt } = readTar(tar, cuts);
        expect(rebuilt.equals(tar), `round ${round}`).toBe(true);
      } catch (error) {
        if (!(error instanceof GantryError)) throw new Error(`round ${round}`, { cause: error });
        expect(['ERR_LAYER_INVALID', 'ERR_LAYER_TOO_LARGE'], `round ${round}`).toContain(error.code);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(ROUNDS / 10);
    expect(refused).toBeLessThan(ROUNDS);
  }, 60_000);
});
