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

/**
 * Reads the decimal lines of PAX 1.0 from what has come so far. Undefined: more blocks are needed. Otherwise the
 * pairs and how many bytes, in whole blocks, the map took.
 */
export function parseInlineMap(bytes: Buffer, at: number): { pairs: number[]; length: number } | undefined {
  const numbers: number[] = [];
  let needed = 1;
  let position = 0;
  while (numbers.length < needed) {
    const newline = bytes.indexOf(0x0a, position);
    if (newline < 0) return undefined;
    const value = Number(bytes.toString('latin1', position, newline));
    if (!Number.isSafeInteger(value) || value < 0) throw invalidTar('bad sparse map', at);
    if (numbers.length === 0) {
      if (value > LIMITS.sparseSegments) throw invalidTar(`sparse map of ${value} segments`, at);
      needed = 1 + 2 * value;
    }
    numbers.push(value);
    position = newline + 1;
  }
  return { pairs: numbers.slice(1), length: Math.ceil(position / BLOCK) * BLOCK };
}
