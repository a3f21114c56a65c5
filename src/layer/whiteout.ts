/**
 * Whiteouts in a layer's tar (image-spec layer.md) and their overlay form (Documentation/filesystems/overlayfs.rst):
 *
 *   a/.wh.b         hides a/b of the layers below        → a/b, a character device 0:0
 *   a/.wh..wh..opq  hides all that layers below have in a → xattr trusted.overlay.opaque=y on a
 *   .wh..wh.*       aufs bookkeeping                      → nothing
 */
import { baseOf, hostile, parentOf } from './entry-path.js';

const PREFIX = '.wh.';
const META = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

export const OPAQUE_XATTR = 'trusted.overlay.opaque';

export type Whiteout =
  | { readonly kind: 'hide'; readonly path: string }
  | { readonly kind: 'opaque'; readonly path: string }
  | { readonly kind: 'ignored' };

/** What a cleaned path means as a whiteout; undefined for an ordinary name. ERR_LAYER_HOSTILE for `.wh.` of nothing. */
export function parseWhiteout(path: string): Whiteout | undefined {
  if (!path.includes(PREFIX)) return undefined;
  const parent = parentOf(path);
  const base = baseOf(path);
  if (base === OPAQUE) return { kind: 'opaque', path: parent };
  if (base.startsWith(META) || path.startsWith(META)) return { kind: 'ignored' };
  if (!base.startsWith(PREFIX)) return undefined;
  const hidden = base.slice(PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw hostile('whiteout of no name', path);
  return { kind: 'hide', path: parent === '' ? hidden : `${parent}/${hidden}` };
}
