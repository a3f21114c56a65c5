/**
 * Volumes as containers have them, bind mounted (volume-store.ts tells where they lie). A new, empty one takes what the
 * image has at the place where it is mounted; an anonymous one goes with its container (`--rm`, `rm -v`).
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import { listXattrs } from '../core/fsops/xattr.js';
import { removeTree } from '../core/remove-tree.js';
import { openBeneath } from './beneath.js';
import { checkVolumeName } from './flags/volume.js';

export interface Volume {
  readonly name: string;
  /** Its `_data`. */
  readonly path: string;
}

export const newVolumeName = (): string => randomBytes(32).toString('hex');

/** The volume of that name, made when it is not there. ERR_INVALID_ARGUMENT for a name that is not one. */
export function ensureVolume(root: string, name: string): Volume {
  const path = join(root, 'volumes', checkVolumeName(name), '_data');
  const volumes = join(root, 'volumes');
  if (!existsSync(volumes)) mkdirSync(volumes, { recursive: true, mode: 0o701 });
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return { name, path };
}

/** Fills an empty volume from `target` inside `rootfs`, attributes and the directory's own included. */
export function fillVolume(volume: Volume, rootfs: string, target: string): void {
  if (readdirSync(volume.path).length > 0) return;
  const fd = openBeneath(rootfs, target, constants.O_RDONLY | constants.O_DIRECTORY);
  if (fd === undefined) return;
  try {
    if (takePlainDirectory(fd, volume.path)) return;
    // The opened directory itself is copied, whatever its path has become; links inside stay links.
    const { spawnSync } = process.getBuiltinModule('node:child_process'); // 1 ms to load, seldom needed
    const copy = spawnSync('cp', ['-a', '/proc/self/fd/3/.', volume.path], {
      stdio: ['ignore', 'ignore', 'pipe', fd],
      encoding: 'utf8',
    });
    if (copy.status !== 0) {
      throw new GantryError(
        'ERR_RUNTIME',
        `cannot fill volume ${volume.name} from ${target}: ${(copy.error?.message ?? copy.stderr).trim()}`,
      );
    }
  } finally {
    closeSync(fd);
  }
}

/** Spares the program where there is nothing to copy but owner, mode and times, as most images have it. */
function takePlainDirectory(fd: number, to: string): boolean {
  const opened = `/proc/self/fd/${fd}/.`;
  if (readdirSync(opened).length > 0 || listXattrs(opened).length > 0) return false;
  const { uid, gid, mode, atime, mtime } = fstatSync(fd);
  chownSync(to, uid, gid);
  chmodSync(to, mode & 0o7777);
  utimesSync(to, atime, mtime);
  return true;
}

export async function removeVolume(root: string, name: string): Promise<void> {
  await removeTree(join(root, 'volumes', checkVolumeName(name)));
}
