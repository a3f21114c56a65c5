/**
 * Volumes as containers have them, bind mounted (volume-store.ts tells where they lie). A new, empty one takes what the
 * image has at the place where it is mounted; an anonymous one goes with its container (`--rm`, `rm -v`).
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, mkdirSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
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
  mkdirSync(join(root, 'volumes'), { recursive: true, mode: 0o701 });
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return { name, path };
}

/** Fills an empty volume from `target` inside `rootfs`, attributes and the directory's own included. */
export function fillVolume(volume: Volume, rootfs: string, target: string): void {
  if (readdirSync(volume.path).length > 0) return;
  const fd = openBeneath(rootfs, target, constants.O_RDONLY | constants.O_DIRECTORY);
  if (fd === undefined) return;
  try {
    // The opened directory itself is copied, whatever its path has become; links inside stay links.
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

export async function removeVolume(root: string, name: string): Promise<void> {
  await rm(join(root, 'volumes', checkVolumeName(name)), { recursive: true, force: true });
}
