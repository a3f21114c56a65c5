/**
 * What the file system of the root can do, found by trying in a temporary directory there: overlayfs takes upper
 * directories only where readdir tells types (`d_type`) and `trusted.*` attributes can be set.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bind } from '../core/fsops/libc.js';
import { mount, umount } from '../core/fsops/mount.js';
import { setXattr } from '../core/fsops/xattr.js';
import { nearestExisting } from './host.js';

export interface RootProbe {
  /** Each: true, or why not. */
  readonly writable: true | string;
  readonly directoryTypes: true | string;
  readonly trustedXattrs: true | string;
  readonly overlay: true | string;
}

const getdents = bind<(fd: number, buffer: Uint8Array, size: number) => number>(
  'long getdents64(int, void*, size_t)',
);
const DT_DIR = 4;

export function probeRoot(root: string): RootProbe {
  let dir: string;
  try {
    dir = mkdtempSync(join(nearestExisting(root), '.gantry-check-'));
  } catch (error) {
    const why = (error as Error).message;
    return { writable: why, directoryTypes: why, trustedXattrs: why, overlay: why };
  }
  try {
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(dir, name));
    for (const path of [lower!, upper!, work!, merged!]) mkdirSync(path);
    return {
      writable: true,
      directoryTypes: typesAreTold(dir) || 'readdir does not tell the types of entries',
      trustedXattrs: attempt(() => setXattr(upper!, 'trusted.gantry', Buffer.from('1'))),
      overlay: attempt(() => {
        const data = `index=off,lowerdir=${lower},upperdir=${upper},workdir=${work}`;
        mount({ source: 'overlay', target: merged!, type: 'overlay', data });
        umount(merged!);
      }),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name. */
function typesAreTold(dir: string): boolean {
  const fd = openSync(dir, 'r');
  try {
    const buffer = Buffer.alloc(4096);
    const length = getdents(fd, buffer, buffer.length);
    for (let at = 0; at < length; at += buffer.readUInt16LE(at + 16)) {
      if (buffer[at + 18] !== DT_DIR) return false;
    }
    return length > 0;
  } finally {
    closeSync(fd);
  }
}

function attempt(act: () => void): true | string {
  try {
    act();
    return true;
  } catch (error) {
    return (error as Error).message;
  }
}
