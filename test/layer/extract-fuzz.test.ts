/**
 * Layers made of random entries over a handful of names, so that they hide, replace and reach through one another:
 * each is refused in gantry's words, or unpacked so that its tar comes back byte for byte; nothing outside changes.
 */
import { describe, expect, it } from 'vitest';
import { END_OF_ARCHIVE, tarEntry } from '../../bench/images/tar-header.js';
import { GantryError } from '../../src/core/errors.js';
import { random } from '../helpers/random.js';
import { layerSandbox } from '../helpers/write-layer.js';

const SEED = Number(process.env.GANTRY_SEED ?? 1);
const ROUNDS = Number(process.env.GANTRY_FUZZ ?? 400);
const NAMES = ['a', 'b', 'c', 'a/b', 'a/b/c', 'b/a', 'b/c', 'c/a/b', './a', 'a//b', 'a/../b', '.'];
const REFUSED = ['ERR_LAYER_INVALID', 'ERR_LAYER_HOSTILE'];

describe.skipIf(process.getuid?.() !== 0)(
  `random layers (needs root; seed ${SEED}, ${ROUNDS} rounds)`,
  () => {
    it('come back byte for byte, or are refused', async () => {
      const next = random(SEED);
      const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
      const whiteout = (name: string): string => name.replace(/[^/]*$/, (base) => `.wh.${base}`);
      let accepted = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const box = layerSandbox();
        const targets = [...NAMES, '..', '/', '../..', box.outside, `${box.outside}/dir`, '../outside'];
        const makers: (() => Buffer)[] = [
          () =>
            tarEntry({
              name: pick(NAMES),
              type: '0',
              mode: 0o644,
              data: Buffer.alloc(next(4) * 300, next(3)),
            }),
          () =>
            tarEntry({
              name: pick(NAMES),
              type: '0',
              mode: 0o644,
              data: Buffer.alloc(next(4) * 300, next(3)),
            }),
          () => tarEntry({ name: pick(NAMES), type: '5', mode: 0o755 }),
          () => tarEntry({ name: pick(NAMES), type: '2', mode: 0o777, linkname: pick(targets) }),
          () => tarEntry({ name: pick(NAMES), type: '1', mode: 0o644, linkname: pick(NAMES) }),
          () => tarEntry({ name: whiteout(pick(NAMES)), type: '0', mode: 0 }),
          () => tarEntry({ name: `${pick(NAMES)}/.wh..wh..opq`, type: '0', mode: 0 }),
          () => tarEntry({ name: pick(NAMES), type: '6', mode: 0o600 }),
          () => {
            const name = pick(NAMES);
            const pax = { 'GNU.sparse.map': '300,4', 'GNU.sparse.size': '600', 'GNU.sparse.name': name };
            return tarEntry({ name, type: '0', mode: 0o644, data: Buffer.from('data'), pax });
          },
        ];
        const entries = Array.from({ length: 1 + next(10) }, () => pick(makers)());
        const tar = Buffer.concat([...entries, END_OF_ARCHIVE]);
        try {
          await box.write(tar, 1 + next(2000));
          const back = await box.reassembled();
          expect(back.equals(tar), `round ${round}`).toBe(true);
          accepted++;
        } catch (error) {
          const known = error instanceof GantryError && REFUSED.includes(error.code);
          if (!known) throw new Error(`round ${round}: ${describeEntries(tar)}`, { cause: error });
        } finally {
          expect(box.changedOutside(), `round ${round}`).toEqual([]);
          box.remove();
        }
      }
      expect(accepted).toBeGreaterThan(ROUNDS / 20);
    }, 120_000);
  },
);

/** "0 a, 2 b → a": enough to write the case down. */
function describeEntries(tar: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < tar.length; at += 512) {
    if (tar.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    const text = (from: number, length: number) =>
      tar.toString('latin1', at + from, at + from + length).replace(/\0.*/, '');
    const target = text(157, 100);
    lines.push(
      `${text(156, 1)} ${text(0, 100)}${target && ` → ${target}`} ${Number.parseInt(text(124, 12), 8)}`,
    );
  }
  return lines.join(', ');
}
