/**
 * Extended attributes of layer entries, with one rule: overlayfs' own are dropped and counted, because a layer that
 * sets trusted.overlay.redirect or .metacopy makes the kernel show files from elsewhere (overlayfs.rst, "do not use
 * metacopy with untrusted layers"). What the file system cannot hold (EOPNOTSUPP) or the kernel forbids (EPERM: user.*
 * on a symlink, FIFO or device) is dropped and counted too, as docker does.
 */

import { at } from '../core/fsops/at.js';
import { cstring, E, errno, syscallError } from '../core/fsops/libc.js';
import { setXattr } from '../core/fsops/xattr.js';
import { LIMITS } from '../core/limits.js';
import { hostile, show } from './entry-path.js';

const IMPOSSIBLE: readonly number[] = [E.EOPNOTSUPP, E.EPERM];
const DROPPED = /^(?:trusted|user)\.overlay\./;

/** A path to `name` (NUL-terminated) in an open directory, for calls that have no *at form. */
export const procPath = (dir: number, name: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${dir}/`), name.subarray(0, name.indexOf(0))]);

export class XattrSetter {
  dropped = 0;

  setOnFile(fd: number, xattrs: ReadonlyMap<string, string>, entry: string): void {
    for (const [name, value] of xattrs) {
      if (!this.#wanted(name, value, entry)) continue;
      const bytes = Buffer.from(value.length > 0 ? value : '\0', 'latin1');
      if (at.fsetxattr(fd, cstring(Buffer.from(name, 'latin1')), bytes, value.length, 0) === 0) continue;
      if (!IMPOSSIBLE.includes(errno())) throw syscallError(`fsetxattr ${name}`, show(entry));
      this.dropped++;
    }
  }

  /** On anything that cannot be opened for it; the last component is not followed. */
  setByName(dir: number, name: Uint8Array, xattrs: ReadonlyMap<string, string>, entry: string): void {
    for (const [key, value] of xattrs)
      if (this.#wanted(key, value, entry)) this.force(dir, name, key, value, entry);
  }

  force(dir: number, name: Uint8Array, key: string, value: string, entry: string): void {
    const path = procPath(dir, name);
    try {
      setXattr(path, key, Buffer.from(value, 'latin1'));
    } catch {
      if (!IMPOSSIBLE.includes(errno())) throw syscallError(`lsetxattr ${key}`, show(entry));
      this.dropped++;
    }
  }

  #wanted(name: string, value: string, entry: string): boolean {
    if (value.length > LIMITS.xattrBytes) {
      throw hostile(`extended attribute of ${value.length} bytes (bound ${LIMITS.xattrBytes})`, entry);
    }
    if (name.includes('\0')) throw hostile('NUL byte in the name of an extended attribute', entry);
    if (!DROPPED.test(name)) return true;
    this.dropped++;
    return false;
  }
}
