/**
 * Volumes, bind mounted into containers:
 *
 *   <root>/volumes/<name>/_data         0755 in 0701; a volume is there when this is
 *   <root>/volumes/<name>/volume.json   {"CreatedAt":"2024-05-01T10:00:00Z","Labels":{"tier":"cache"}}, only where
 *                                       `volume create` gave labels; dockerd passes over it
 *
 * An anonymous one has 64 hex digits for a name and goes with its container (`--rm`, `rm -v`). A new, empty volume
 * takes what the image has at the place where it is mounted.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { openBeneath } from './beneath.js';
import { checkVolumeName } from './flags/volume.js';

export interface Volume {
  readonly name: string;
  /** Its `_data`. */
  readonly path: string;
}

/** What `volume inspect` tells, under Docker's names. */
export interface VolumeDocument {
  readonly CreatedAt: string;
  readonly Driver: 'local';
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Mountpoint: string;
  readonly Name: string;
  readonly Options: null;
  readonly Scope: 'local';
}

export type Labels = Readonly<Record<string, string>>;

/** Docker's mark on a volume that nobody named. */
export const ANONYMOUS = 'com.docker.volume.anonymous';

export const newVolumeName = (): string => randomBytes(32).toString('hex');

/** The volume of that name, made when it is not there. ERR_INVALID_ARGUMENT for a name that is not one. */
export function ensureVolume(root: string, name: string): Volume {
  const path = join(root, 'volumes', checkVolumeName(name), '_data');
  mkdirSync(join(root, 'volumes'), { recursive: true, mode: 0o701 });
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return { name, path };
}

/** Writes labels down before the volume is there, so that no volume is seen without its own. */
export function labelVolume(root: string, name: string, labels: Labels): void {
  const directory = join(root, 'volumes', checkVolumeName(name));
  ensureDirectory(join(root, 'volumes'), 0o701);
  ensureDirectory(directory, 0o701);
  const CreatedAt = new Date().toISOString();
  writeFileAtomic(join(directory, 'volume.json'), JSON.stringify({ CreatedAt, Labels: labels }), {
    sync: true,
  });
}

/** Undefined when there is no volume of that name. */
export function readVolume(root: string, name: string): VolumeDocument | undefined {
  const directory = join(root, 'volumes', name);
  try {
    const made = statSync(join(directory, '_data')).birthtime;
    const { CreatedAt, Labels } = metadata(join(directory, 'volume.json'));
    return {
      CreatedAt: (CreatedAt ?? made.toISOString()).replace(/\.\d+Z$/, 'Z'),
      Driver: 'local',
      Labels: Labels ?? (/^[0-9a-f]{64}$/.test(name) ? { [ANONYMOUS]: '' } : null),
      Mountpoint: join(directory, '_data'),
      Name: name,
      Options: null,
      Scope: 'local',
    };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoCode(error) ?? '')) return undefined;
    throw error;
  }
}

function metadata(path: string): { readonly CreatedAt?: string; readonly Labels?: Labels } {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof metadata>;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return {};
    throw new GantryError('ERR_STORE_CORRUPT', `${path}: ${(error as Error).message}`, { file: path });
  }
}

/** By name. What else lies in the directory (dockerd's metadata.db) is no volume. */
export function readVolumes(root: string): VolumeDocument[] {
  try {
    return readdirSync(join(root, 'volumes'))
      .sort()
      .flatMap((name) => readVolume(root, name) ?? []);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
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
