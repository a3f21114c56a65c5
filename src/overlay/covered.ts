/**
 * What a path of a layer covers in the layers below: the entry that overlayfs would show there without this layer.
 *
 *   top    etc/conf (char device 0:0)     a whiteout: nothing is seen through it
 *   …      usr (trusted.overlay.opaque=y) a directory that shows only its own
 *   base   etc/conf, usr/bin/ls
 *
 * The walk goes layer by layer from the top, and in each from the first component down, because a whiteout, a
 * non-directory or an opaque directory anywhere on the way ends the search. Layers are read-only, so what a step saw holds.
 */
import { closeSync, statSync } from 'node:fs';
import { openInRoot, procPath } from '../core/fsops/in-root.js';
import { getXattr } from '../core/fsops/xattr.js';

/** True for overlayfs' mark of a removed file. */
export const isWhiteout = (s: { isCharacterDevice(): boolean; readonly rdev: bigint }): boolean =>
  s.isCharacterDevice() && s.rdev === 0n;

const OPAQUE = 'trusted.overlay.opaque';
const isOpaque = (fd: number): boolean =>
  getXattr(procPath(fd, Buffer.from('.')), OPAQUE)?.toString() === 'y';

const open = (root: number, parts: readonly string[]): number | undefined =>
  openInRoot(root, Buffer.from(parts.join('/'), 'latin1'), 'look-without-links');

/** True when a directory above `path` is opaque in this layer: then the layer covers nothing there. */
export function isBelowOpaque(layer: number, path: string): boolean {
  const parts = path.split('/');
  for (let depth = 1; depth < parts.length; depth++) {
    const fd = open(layer, parts.slice(0, depth));
    if (fd === undefined) return false;
    try {
      if (isOpaque(fd)) return true;
    } finally {
      closeSync(fd);
    }
  }
  return false;
}

/** What one layer says of a path: an open entry, that nothing below it can be seen, or nothing. */
function look(layer: number, path: string): number | 'hidden' | 'absent' {
  const parts = path.split('/');
  let opaque = false;
  for (let depth = 1; depth <= parts.length; depth++) {
    const fd = open(layer, parts.slice(0, depth));
    if (fd === undefined) return opaque ? 'hidden' : 'absent';
    let keep = false;
    try {
      const found = statSync(procPath(fd), { bigint: true });
      if (isWhiteout(found)) return 'hidden';
      if (depth === parts.length) {
        keep = true;
        return fd;
      }
      if (!found.isDirectory()) return 'hidden';
      opaque ||= isOpaque(fd);
    } finally {
      if (!keep) closeSync(fd);
    }
  }
  return 'absent';
}

/**
 * A descriptor (O_PATH) of what `path` covers in `lowers` (open `diff/` directories, top first), or undefined. The caller
 * closes it. `path` has no links in it, is latin1 of the raw bytes and not empty.
 */
export function coveredBy(lowers: readonly number[], path: string): number | undefined {
  for (const lower of lowers) {
    const found = look(lower, path);
    if (found !== 'absent') return found === 'hidden' ? undefined : found;
  }
  return undefined;
}
