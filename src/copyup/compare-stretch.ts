/** One stretch of a copied file against the file it was copied from, both found by path inside their layers. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { at, O } from '../core/fsops/at.js';
import { type ChangedBytes, type CompareBuffers, changedBytes } from './changed-blocks.js';
import { openIfShort } from './long-paths.js';

export interface Stretch {
  /** The directories of the two layers. */
  readonly lower: string;
  readonly upper: string;
  /** Raw bytes as latin1, inside both. */
  readonly path: string;
  readonly start: number;
  /** Absent: to the file's end. */
  readonly end?: number;
}

/** Undefined where one of the two is missing or is no regular file. */
export function compareStretch(stretch: Stretch, buffers: CompareBuffers): ChangedBytes | undefined {
  const lower = openFile(stretch.lower, stretch.path);
  const upper = lower === undefined ? undefined : openFile(stretch.upper, stretch.path);
  try {
    if (lower === undefined || upper === undefined) return undefined;
    return changedBytes(lower, upper, stretch, buffers);
  } finally {
    for (const fd of [lower, upper]) if (fd !== undefined) at.close(fd);
  }
}

/**
 * A container may put anything at a path while we look, so what was opened is asked what it is. Node keeps count of what
 * it opened in a thread, so each descriptor is closed by who opened it.
 */
function openFile(layer: string, path: string): number | undefined {
  const root = openSync(layer, O.PATH | O.DIRECTORY | O.CLOEXEC);
  try {
    const fd = openIfShort(root, Buffer.from(path, 'latin1'), 'read');
    if (fd === undefined || fstatSync(fd).isFile()) return fd;
    at.close(fd);
    return undefined;
  } finally {
    closeSync(root);
  }
}
