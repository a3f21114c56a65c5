/**
 * `trusted.overlay.origin` of a file in an upper directory: the handle of the lower file that it was copied from
 * (struct ovl_fb, fs/overlayfs/overlayfs.h).
 *
 *   00 fb 1d 00 01 <uuid: 16 bytes> <handle>       version, magic, length, flags, type of the handle
 *
 * A directory that was only merged has an empty one; a file made in the container, or a copy that broke a hard link,
 * has none.
 */
import { readFileSync } from 'node:fs';
import { makeHandle } from '../core/fsops/file-handle.js';

const OVERLAY = 'trusted.overlay.';
export const ORIGIN = `${OVERLAY}origin`;
const MAGIC = 0xfb;
const HANDLE_AT = 21;

const CAP_SYS_ADMIN = 21n;

/** Who lacks CAP_SYS_ADMIN does not see trusted attributes (xattr(7)), as if there were none. */
export function originsShow(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1];
  return ((BigInt(`0x${effective ?? '0'}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/** Attributes as `OpenXattrs` reads them. */
type Attributes = ReadonlyMap<string, string> | undefined;

/** The handle in the attribute's value; undefined when it holds none. */
export function originHandle(value: Uint8Array | undefined): Buffer | undefined {
  if (value === undefined || value.length <= HANDLE_AT || value[1] !== MAGIC) return undefined;
  return makeHandle(value[4]!, value.subarray(HANDLE_AT));
}

export function originIn(attributes: Attributes): Buffer | undefined {
  const value = attributes?.get(ORIGIN);
  return value === undefined ? undefined : originHandle(Buffer.from(value, 'latin1'));
}

/** Whether two files differ in attributes that are not overlayfs's own. */
export const attributesDiffer = (one: Attributes, other: Attributes): boolean => text(one) !== text(other);

const text = (attributes: Attributes): string =>
  JSON.stringify([...(attributes ?? [])].filter(([name]) => !name.startsWith(OVERLAY)).sort());
