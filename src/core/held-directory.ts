/**
 * Private directories that say themselves whether somebody still works in them: the owner holds flock on the
 * directory. When the owner is killed the kernel drops the lock, and a sweep of any process takes the directory away.
 *
 *   <parent>/<name>/      locked: in use │ not locked: left over
 *
 * Between mkdir and flock a sweep may have got hold of it, so the owner looks again after locking.
 */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from './errors.js';
import { tryFlock } from './fsops/flock.js';
import { inDirectory } from './in-directory.js';
import { removeTree } from './remove-tree.js';

export interface HeldDirectory {
  readonly path: string;
  /** Gives the lock up. The directory stays, unless it was moved or removed before. */
  release(): void;
}

function openHeld(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  let held = false;
  try {
    held = tryFlock(fd, 'exclusive', path) && statSync(path).ino === fstatSync(fd).ino;
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  } finally {
    if (!held) closeSync(fd);
  }
  return held ? fd : undefined;
}

/** Makes `<parent>/<name()>` with mode 0700 and holds it; another name is tried when a sweep was faster. */
export function makeHeldDirectory(parent: string, name: () => string): HeldDirectory {
  for (;;) {
    const path = join(parent, name());
    inDirectory(parent, 0o700, () => mkdirSync(path, { mode: 0o700 }));
    const fd = openHeld(path);
    if (fd !== undefined) return { path, release: () => closeSync(fd) };
  }
}

/** True when somebody works in it. */
export function isHeldDirectory(path: string): boolean {
  const fd = openHeld(path);
  if (fd === undefined) return existsSync(path);
  closeSync(fd);
  return false;
}

/** Removes the directories of `parent` that match and that nobody holds. Returns their names. */
export async function sweepDirectories(
  parent: string,
  matches: (name: string) => boolean,
): Promise<string[]> {
  let names: string[];
  try {
    names = readdirSync(parent).filter(matches);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
  const swept: string[] = [];
  for (const name of names) {
    const path = join(parent, name);
    const fd = openHeld(path);
    if (fd === undefined) continue;
    try {
      await removeTree(path);
      swept.push(name);
    } finally {
      closeSync(fd);
    }
  }
  return swept;
}
