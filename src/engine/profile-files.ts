/** Copy-up profiles on disk: `<root>/gantry/profiles/<container id>.json`, kept until `system prune` after the container. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { CopyUpProfile } from '../copyup/profile.js';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';

const directoryOf = (root: string): string => join(root, 'gantry', 'profiles');

export const profilePath = (root: string, id: string): string => join(directoryOf(root), `${id}.json`);

export const profileText = (profile: CopyUpProfile): string => `${JSON.stringify(profile, undefined, 2)}\n`;

/** Replaces the container's former profile. Gives the file's path. */
export function saveProfile(root: string, profile: CopyUpProfile): string {
  const path = profilePath(root, profile.container.id);
  mkdirSync(directoryOf(root), { recursive: true, mode: 0o700 });
  writeFileAtomic(path, profileText(profile));
  return path;
}

/**
 * The newest profile of a container that was called so, or the one whose id begins so; undefined when none is kept.
 * ERR_AMBIGUOUS.
 */
export function keptProfile(root: string, what: string): string | undefined {
  const paths = names(directoryOf(root)).map((name) => join(directoryOf(root), name));
  const age = new Map(paths.map((path) => [path, statSync(path).mtimeMs]));
  paths.sort((a, b) => age.get(b)! - age.get(a)!);
  const named = paths.find(
    (path) => (JSON.parse(readFileSync(path, 'utf8')) as CopyUpProfile).container.name === what,
  );
  if (named !== undefined) return named;
  const begun = /^[a-f0-9]+$/.test(what) ? paths.filter((path) => basename(path).startsWith(what)) : [];
  if (begun.length < 2) return begun[0];
  throw new GantryError('ERR_AMBIGUOUS', `multiple profiles found with provided prefix: ${what}`);
}

/** Removes the profiles of containers that are not among `ids`. Gives their containers' ids. */
export function pruneProfiles(root: string, ids: ReadonlySet<string>): string[] {
  const gone = names(directoryOf(root)).filter((name) => !ids.has(name.replace(/\.json$/, '')));
  for (const name of gone) rmSync(join(directoryOf(root), name), { force: true });
  return gone.map((name) => name.replace(/\.json$/, ''));
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}
