/** The orders of `gantry copyup report --sort`, the most costly first; ties by bytes, then by path. */
import { unreachable } from '../core/errors.js';
import { amplificationOf, amplificationRank } from './amplification.js';
import type { CopiedFile } from './profile.js';

export const FILE_ORDERS = ['bytes', 'time', 'amplification'] as const;
export type FileOrder = (typeof FILE_ORDERS)[number];

export function sortFiles(files: readonly CopiedFile[], order: FileOrder): CopiedFile[] {
  const ranked = files.map((file) => ({ file, rank: rank(file, order) }));
  // Not by difference: two infinities have none.
  ranked.sort((a, b) =>
    a.rank === b.rank
      ? b.file.bytes - a.file.bytes || (a.file.path < b.file.path ? -1 : 1)
      : b.rank > a.rank
        ? 1
        : -1,
  );
  return ranked.map(({ file }) => file);
}

function rank(file: CopiedFile, order: FileOrder): number {
  switch (order) {
    case 'bytes':
      return file.bytes;
    case 'time':
      return file.durationMs ?? -1;
    case 'amplification':
      return amplificationRank(amplificationOf(file));
    default:
      return unreachable(order);
  }
}
