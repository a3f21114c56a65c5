/** Free space for the store, and the check that layers fit before a byte of them is unpacked. */
import { mkdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';

/** No layer is known to need fewer; a full inode table fails before the first file. */
const INODES_A_LAYER = 8;

export interface FreeSpace {
  readonly bytes: number;
  /** Infinity where the file system makes inodes as it needs them (btrfs, zfs report none). */
  readonly inodes: number;
}

/** Free space for the store, of the nearest directory that exists. */
export function freeSpace(root: string): FreeSpace {
  for (let path = root; ; path = dirname(path)) {
    try {
      const { bavail, bsize, ffree, files } = statfsSync(path);
      return { bytes: bavail * bsize, inodes: files === 0 ? Number.POSITIVE_INFINITY : ffree };
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT' || path === dirname(path)) throw error;
    }
  }
}

export interface NeededSpace {
  readonly layers: number;
  /** As they come. */
  readonly bytes: number;
  /** As they will lie on disk, about. */
  readonly unpacked: number;
  /** What happens to them, for the message: "to fetch". */
  readonly purpose: string;
}

/**
 * ERR_NO_SPACE when the layers cannot fit: fewer free bytes than they have as they come, or too few inodes. Returns a
 * warning when they fit only if they inflate less than layers usually do.
 */
export function checkSpace(
  root: string,
  { layers, bytes, unpacked, purpose }: NeededSpace,
): string | undefined {
  if (bytes === 0) return undefined;
  mkdirSync(root, { recursive: true, mode: 0o710 });
  const free = freeSpace(root);
  const hint = 'gantry system prune, or another --root';
  if (free.bytes < bytes) {
    const message = `${root}: ${bytes} bytes of layers ${purpose}, ${free.bytes} bytes free`;
    throw new GantryError('ERR_NO_SPACE', message, { needed: bytes, free: free.bytes, hint });
  }
  if (free.inodes < layers * INODES_A_LAYER) {
    throw new GantryError('ERR_NO_SPACE', `${root}: ${layers} layers to unpack, ${free.inodes} inodes free`, {
      hint,
    });
  }
  if (free.bytes >= unpacked) return undefined;
  return `${root} has ${free.bytes} bytes free; the layers may need about ${unpacked} when unpacked`;
}
