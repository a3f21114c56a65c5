/**
 * Sparse maps: which stretches of a file the archive holds, the rest being holes.
 *
 *   GNU old (type S)  four (offset, length) pairs in the header, then blocks of 21 pairs and a "more" byte at 504
 *   PAX 0.0 and 0.1   GNU.sparse.map = "offset,length,offset,length…"
 *   PAX 1.0           the data starts with decimal lines: count, offset, length…, padded to a block
 */
import { LIMITS } from '../limits.js';
import { BLOCK, invalidTar, parseNumber } from './header.js';

export interface SparseSegment {
  readonly offset: number;
  readonly length: number;
}

/** Checks order, bounds and the sum of the stored bytes; drops the empty segments that mark the end. */
export function checkedSegments(
  pairs: readonly number[],
  realSize: number,
  storedSize: number,
  at: number,
): SparseSegment[] {
  if (pairs.length % 2 !== 0 || pairs.length / 2 > LIMITS.sparseSegments)
    throw invalidTar('bad sparse map', at);
  const segments: SparseSegment[] = [];
  let end = 0;
  let stored = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const offset = pairs[i] as number;
    const length = pairs[i + 1] as number;
    if (!(offset >= end) || !(length >= 0) || !(offset + length <= realSize)) {
      throw invalidTar(`sparse segment ${offset}+${length} outside order or file size ${realSize}`, at);
    }
    end = offset + length;
    stored += length;
    if (length > 0) segments.push({ offset, length });
  }
  if (stored !== storedSize) {
    throw invalidTar(`sparse map holds ${stored} bytes, the entry ${storedSize}`, at);
  }
  return segments;
}

/** (offset, length) pairs from `count` slots of 24 bytes; empty slots end the list. */
export function parseGnuSlots(block: Uint8Array, at: number, count: number, into: number[]): void {
  for (let i = 0; i < count; i++) {
    const slot = at + i * 24;
    if (block[slot + 12] === 0) break;
    into.push(parseNumber(block, slot, 12), parseNumber(block, slot + 12, 12));
  }
}

export const parsePaxMap = (text: string): number[] => (text === '' ? [] : text.split(',').map(Number));

/** Collects the decimal lines of PAX 1.0 block by block; each byte is looked at once, however long the map is. */
export class InlineMap {
  readonly #numbers: number[] = [];
  #needed = 1;
  #value = 0;
  #digits = 0;
  /** Bytes taken so far: the map fills whole blocks. */
  length = 0;

  /** (offset, length) pairs, after `add` returned true. */
  get pairs(): readonly number[] {
    return this.#numbers.slice(1);
  }

  /** Takes the block at `at`; true when the map is complete. `offset` is for messages. */
  add(block: Uint8Array, at: number, offset: number): boolean {
    this.length += BLOCK;
    for (let i = at; i < at + BLOCK; i++) {
      const byte = block[i] as number;
      if (byte === 0x0a && this.#digits > 0) {
        if (this.#endLine(offset)) return true;
        continue;
      }
      const digit = byte - 0x30;
      if (!(digit >= 0 && digit <= 9) || ++this.#digits > 16) throw invalidTar('bad sparse map', offset);
      this.#value = this.#value * 10 + digit;
    }
    return false;
  }

  #endLine(offset: number): boolean {
    const value = this.#value;
    this.#value = this.#digits = 0;
    if (this.#numbers.length === 0) {
      if (value > LIMITS.sparseSegments) throw invalidTar(`sparse map of ${value} segments`, offset);
      this.#needed = 1 + 2 * value;
    }
    return this.#numbers.push(value) === this.#needed;
  }
}
