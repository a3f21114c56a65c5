/**
 * Volumes on disk:
 *
 *   <root>/volumes/<name>/_data         0755 in 0701; a volume is there when this is
 *   <root>/volumes/<name>/volume.json   {"CreatedAt":"2024-05-01T10:00:00Z","Labels":{"tier":"cache"}}, only where
 *                                       `volume create` gave labels; dockerd passes over it
 *
 * An anonymous one has 64 hex digits for a name. Nothing here needs native code.
 */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { checkVolumeName } from './flags/volume.js';

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

/** Writes labels down before the volume is there, so that no volume is seen without its own. */
export function labelVolume(root: string, name: string, labels: Labels): void {
  const directory = join(root, 'volumes', checkVolumeName(name));
  mkdirSync(join(root, 'volumes'), { recursive: true, mode: 0o701 });
  mkdirSync(directory, { recursive: true, mode: 0o701 });
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
