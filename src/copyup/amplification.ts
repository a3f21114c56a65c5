/**
 * Amplification = copied ÷ changed, in blocks of 4 KiB: a 2 GiB database file with one page changed reads 524288. `null`
 * stands for "copied, and nothing of it changed", because JSON has no infinity; undefined for "not compared". What a file
 * grew by has changed too, so it is below 1 where more was written than copied.
 */
import type { CopiedFile } from './profile.js';

export type Amplification = number | null;

export function amplification(copied: number, changed: number): Amplification | undefined {
  if (changed > 0) return copied / changed;
  return copied > 0 ? null : undefined;
}

export const amplificationOf = (file: CopiedFile): Amplification | undefined =>
  file.changed && amplification(file.bytes, file.changed.block4k);

/** For sorting: what was copied for nothing first, what was not compared last. */
export const amplificationRank = (value: Amplification | undefined): number =>
  value === null ? Number.POSITIVE_INFINITY : (value ?? -1);
