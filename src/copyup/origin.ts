/**
 * `trusted.overlay.origin` of a file in an upper directory: the handle of the lower file that it was copied from
 * (struct ovl_fb, fs/overlayfs/overlayfs.h).
 *
 *   00 fb 1d 00 01 <uuid: 16 bytes> <handle>       version, magic, length, flags, type of the handle
 *
 * A directory that was only merged has an empty one; a file made in the container, or a copy that broke a hard link,
 * has none.
 */
import { makeHandle } from '../core/fsops/file-handle.js';
import { getXattrOf, listXattrsOf } from '../core/fsops/xattr.js';

const OVERLAY = 'trusted.overlay.';
const ORIGIN = `${OVERLAY}origin`;
const MAGIC = 0xfb;
const HANDLE_AT = 21;

/** The handle of the lower file that an open file of an upper directory was copied from; undefined when it was not. */
export function originOf(fd: number): Buffer | undefined {
  const origin = getXattrOf(fd, ORIGIN);
  if (origin === undefined || origin.length <= HANDLE_AT || origin[1] !== MAGIC) return undefined;
  return makeHandle(origin[4]!, origin.subarray(HANDLE_AT));
}

/** Extended attributes but overlayfs's own, to be compared. */
export const attributesOf = (fd: number): string =>
  listXattrsOf(fd)
    .filter((name) => !name.startsWith(OVERLAY))
    .sort()
    .map((name) => `${name}=${getXattrOf(fd, name)?.toString('hex')}`)
    .join();
