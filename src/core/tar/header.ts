/**
 * One 512-byte tar header (POSIX ustar, GNU tar; pax(1), tar(5)):
 *
 *   0 name 100 │ 100 mode 8 │ 108 uid 8 │ 116 gid 8 │ 124 size 12 │ 136 mtime 12 │ 148 checksum 8 │ 156 type 1
 *   157 linkname 100 │ 257 magic 8 │ 265 uname 32 │ 297 gname 32 │ 329 major 8 │ 337 minor 8 │ 345 prefix 155
 *   GNU instead of prefix: 386 four sparse entries of 12 + 12 │ 482 extended │ 483 real size 12
 *
 * Numbers are octal text, or base-256 when the first bit is set (GNU; sizes over 8 GiB, large ids, old times).
 */
import { GantryError } from '../errors.js';

export const BLOCK = 512;

export const TYPE = {
  file: 0x30, // '0'
  oldFile: 0,
  link: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  contiguous: 0x37,
  paxGlobal: 0x67, // 'g'
  pax: 0x78, // 'x'
  gnuLongLink: 0x4b, // 'K'
  gnuLongName: 0x4c, // 'L'
  gnuSparse: 0x53, // 'S'
} as const;

/** ERR_LAYER_INVALID at a byte offset of the tar. */
export const invalidTar = (what: string, offset: number): GantryError =>
  new GantryError('ERR_LAYER_INVALID', `layer tar: ${what} at byte ${offset}`, { offset });

/** True when the stored checksum is the sum of all bytes with its own field read as spaces (signed sums too). */
export function checksumMatches(block: Uint8Array, at: number): boolean {
  const stored = parseNumber(block, at + 148, 8);
  let unsigned = 8 * 0x20;
  for (let i = at; i < at + 148; i++) unsigned += block[i] as number;
  for (let i = at + 156; i < at + BLOCK; i++) unsigned += block[i] as number;
  if (stored === unsigned) return true;
  let signed = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    signed += ((block[at + i] as number) << 24) >> 24;
  }
  return stored === signed;
}

/** An octal or base-256 field; NaN when it is neither, or beyond 2^53. */
export function parseNumber(block: Uint8Array, at: number, length: number): number {
  const first = block[at] as number;
  if (first & 0x80) {
    const negative = (first & 0x40) !== 0;
    let value = negative ? -1 : 0;
    for (let i = 0; i < length; i++) {
      let byte = block[at + i] as number;
      if (i === 0) byte = negative ? byte | 0x80 : byte & 0x7f;
      value = i === 0 && negative ? byte - 256 : value * 256 + byte;
    }
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }
  let value = 0;
  let i = at;
  const end = at + length;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  for (; i < end; i++) {
    const digit = (block[i] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (block[i] !== 0x20 && block[i] !== 0) return Number.NaN;
  return value;
}

/** A NUL-padded text field as a latin1 string, one character a byte. */
export function parseText(block: Buffer, at: number, length: number): string {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return block.toString('latin1', at, end);
}

export function isZeroBlock(block: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}
