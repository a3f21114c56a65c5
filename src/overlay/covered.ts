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

type Step = 'hidden' | 'absent' | 'absent-below-opaque' | { readonly fd: number };

function look(root: number, path: string): Step {
  const parts = path.split('/');
  let opaque = false;
  for (let depth = 1; depth <= parts.length; depth++) {
    const fd = openInRoot(root, Buffer.from(parts.slice(0, depth).join('/'), 'latin1'), 'look-without-links');
    if (fd === undefined) return opaque ? 'absent-below-opaque' : 'absent';
    let keep = false;
    try {
      const found = statSync(procPath(fd), { bigint: true });
      if (isWhiteout(found)) return 'hidden';
      if (depth === parts.length) {
        keep = true;
        return { fd };
      }
      if (!found.isDirectory()) return 'hidden';
      opaque ||= getXattr(procPath(fd, Buffer.from('.')), 'trusted.overlay.opaque')?.toString() === 'y';
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
    const step = look(lower, path);
    if (step === 'absent') continue;
    return typeof step === 'object' ? step.fd : undefined;
  }
  return undefined;
}
