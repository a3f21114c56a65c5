/**
 * What is wrong with the links of one directory of overlay2 (links.ts), and putting them right: all of it follows from
 * what the directory stands on, so nothing is lost when a power cut empties these files.
 *
 * A name that `l/` has for the directory is kept: those above it name it in their `lower`.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';
import type { CacheID } from '../core/ids.js';
import type { DriverFault } from './driver.js';
import { lowersAbove, newLink, readLink } from './links.js';

const MODE = { mode: 0o644, sync: true } as const;

/** `parent` is what it is to stand on. Where the parent's own links are damaged its `lower` is not looked at. */
export function linkFaults(home: string, id: CacheID, parent: CacheID | undefined): DriverFault[] {
  const directory = join(home, id);
  const files = join(directory, 'diff');
  if (!existsSync(files)) return [{ path: `${id}/diff`, expected: 'a directory', found: 'none', lost: true }];
  const faults: DriverFault[] = [];
  const link = linkOf(directory);
  if (link === undefined) {
    faults.push({
      path: `${id}/link`,
      expected: '26 characters of A-Z and 0-9',
      found: textOf(join(directory, 'link')),
    });
  } else if (targetOf(join(home, 'l', link)) !== `../${id}/diff`) {
    const found = targetOf(join(home, 'l', link)) ?? 'none';
    faults.push({ path: `l/${link}`, expected: `../${id}/diff`, found });
  }
  const lowers = lowersOver(home, parent);
  const lower = textOf(join(directory, 'lower'));
  if (lowers !== undefined && lower !== (lowers === '' ? 'none' : lowers)) {
    faults.push({ path: `${id}/lower`, expected: lowers || 'none', found: lower });
  }
  if (parent !== undefined && !existsSync(join(directory, 'work'))) {
    faults.push({ path: `${id}/work`, expected: 'a directory', found: 'none' });
  }
  return faults;
}

/** Writes what differs. Its parent comes first. ERR_STORE_CORRUPT when the parent's links are damaged. */
export function mendLinks(home: string, id: CacheID, parent: CacheID | undefined): void {
  const directory = join(home, id);
  const lowers = lowersOver(home, parent);
  if (lowers === undefined) {
    throw new GantryError(
      'ERR_STORE_CORRUPT',
      `overlay2/${id}: expected links of ${parent}, found them damaged`,
    );
  }
  const lower = join(directory, 'lower');
  if (lowers === '') rmSync(lower, { force: true });
  else if (textOf(lower) !== lowers) writeFileAtomic(lower, lowers, MODE);
  if (parent !== undefined) mkdirSync(join(directory, 'work'), { recursive: true, mode: 0o700 });
  const known = linkOf(directory);
  const link = known ?? linkNames(home).find((name) => pointsTo(home, name, id)) ?? newLink();
  mkdirSync(join(home, 'l'), { recursive: true, mode: 0o700 });
  if (!pointsTo(home, link, id)) {
    const fresh = join(home, 'l', newLink());
    symlinkSync(`../${id}/diff`, fresh);
    renameSync(fresh, join(home, 'l', link));
  }
  if (known === undefined) writeFileAtomic(join(directory, 'link'), link, MODE);
}

/** Names in `l/` that no directory calls its own. */
export function looseLinks(home: string): string[] {
  return linkNames(home).filter((name) => {
    const id = /^\.\.\/([^/]+)\/diff$/.exec(targetOf(join(home, 'l', name)) ?? '')?.[1];
    // One whose directory lost its `link` is that directory's until it is mended.
    return id === undefined || !existsSync(join(home, id)) || (linkOf(join(home, id)) ?? name) !== name;
  });
}

const pointsTo = (home: string, name: string, id: CacheID): boolean =>
  targetOf(join(home, 'l', name)) === `../${id}/diff`;

/** `l/A:l/B` for what stands on `parent`; undefined when that cannot be told. */
function lowersOver(home: string, parent: CacheID | undefined): string | undefined {
  try {
    return parent === undefined ? '' : lowersAbove(join(home, parent)).join(':');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || error instanceof GantryError) return undefined;
    throw error;
  }
}

function linkOf(directory: string): string | undefined {
  try {
    return readLink(directory);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || error instanceof GantryError) return undefined;
    throw error;
  }
}

function linkNames(home: string): string[] {
  return existsSync(join(home, 'l')) ? readdirSync(join(home, 'l')).sort() : [];
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || 'an empty file';
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return 'none';
    throw error;
  }
}
