/**
 * The profile that a report is made of: a container's (profile-files.ts), or a file of the user's. What holds a slash or
 * ends in `.json` is a file; a container that is called so is reached by its id.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { parseProfile } from '../copyup/parse-profile.js';
import type { CopyUpProfile } from '../copyup/profile.js';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError, isGantryError } from '../core/errors.js';
import { ContainerStore } from '../runtime/container-store.js';
import { builtFile } from './built-file.js';
import { keptProfile, profilePath } from './profile-files.js';
import { openStore } from './store.js';

/** Some 500,000 files; what is larger is no profile. */
const MAX_PROFILE_BYTES = 256 * 2 ** 20;

/**
 * Throws ERR_NOT_FOUND where there is no such container, kept profile of one, or file, ERR_INVALID_ARGUMENT for a file that is no profile. Of a
 * container that was never profiled: what its upper directory tells now.
 */
export async function readProfile(root: string, name: string): Promise<CopyUpProfile> {
  if (name.includes('/') || name.endsWith('.json')) return parseProfile(readText(name), name);
  const file = containerProfile(root, name);
  if (existsSync(file)) return parseProfile(readText(file), file);
  const { upperProfile } = await import('./profile-copyups.js');
  return upperProfile(openStore(root), name);
}

/** Of a container that was removed, the one that was kept. */
function containerProfile(root: string, name: string): string {
  try {
    return profilePath(root, new ContainerStore(root).find(name).ID);
  } catch (error) {
    const kept = isGantryError(error, 'ERR_NOT_FOUND') ? keptProfile(root, name) : undefined;
    if (kept === undefined) throw error;
    return kept;
  }
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size <= MAX_PROFILE_BYTES) return readFileSync(path, 'utf8');
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${path}: expected at most ${MAX_PROFILE_BYTES} bytes, found ${size}`,
    );
  } catch (cause) {
    if (errnoCode(cause) !== 'ENOENT') throw cause;
    throw new GantryError('ERR_NOT_FOUND', `${path}: no such file`, {}, { cause });
  }
}

/** The built page that src/cli/render/copyup-page.ts fills. ERR_INTERNAL when it is not built. */
export const reportPage = (): string => readFileSync(builtFile('src/cli/report-page.html'), 'utf8');

/** Replaces the file at `path`, or the one that a symbolic link there names. ERR_INVALID_ARGUMENT for what is no file. */
export function writeReport(path: string, text: string): void {
  let target = path;
  try {
    target = realpathSync(path);
    if (!statSync(target).isFile()) {
      throw new GantryError('ERR_INVALID_ARGUMENT', `${path}: not a regular file`);
    }
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
  writeFileAtomic(target, text, { mode: 0o644 });
}
