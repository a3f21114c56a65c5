/**
 * The profile that a report is made of: a container's, <root>/gantry/profiles/<container id>.json, or a file of the
 * user's. What holds a slash or ends in `.json` is a file, which no container's name can be.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseProfile } from '../copyup/parse-profile.js';
import type { CopyUpProfile } from '../copyup/profile.js';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { ContainerStore } from '../runtime/container-store.js';
import { builtFile } from './built-file.js';

/** Some 500,000 files; what is larger is no profile. */
const MAX_PROFILE_BYTES = 256 * 2 ** 20;

/**
 * Throws ERR_NOT_FOUND where there is no such container or file, and for a container without a profile;
 * ERR_INVALID_ARGUMENT for a file that is none.
 */
export function readProfile(root: string, name: string): CopyUpProfile {
  if (name.includes('/') || name.endsWith('.json')) return parseProfile(readText(name), name);
  const { ID } = new ContainerStore(root).find(name);
  const file = join(root, 'gantry', 'profiles', `${ID}.json`);
  if (!existsSync(file)) {
    throw new GantryError('ERR_NOT_FOUND', `container ${name} has no copy-up profile`, {
      hint: `gantry copyup profile --container ${name}`,
    });
  }
  return parseProfile(readText(file), file);
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
