/**
 * Every object of an upper directory. Each directory is opened beneath the one before it and no path is joined for the
 * kernel, so neither a link nor a name, however long or strange, leads anywhere else. A running container changes the
 * tree meanwhile: what goes away is passed over.
 */
import { closeSync, fstatSync, openSync, readdirSync, type Stats } from 'node:fs';
import { errnoCode } from '../core/errors.js';
import { O } from '../core/fsops/at.js';
import { openInRoot, procPath } from '../core/fsops/in-root.js';
import { LIMITS } from '../core/limits.js';

export interface UpperEntry {
  /** Raw bytes as latin1, no leading slash. */
  readonly path: string;
  readonly stats: Stats;
  /** For looking only; closed after the call. */
  readonly fd: number;
}

/** Calls `visit` with each object but whiteouts; with none when `upper` is gone. Gives the number of directories that lie too deep to be looked into. */
export function walkUpper(upper: string, visit: (entry: UpperEntry) => void): number {
  let root: number;
  try {
    root = openSync(upper, O.PATH | O.DIRECTORY | O.CLOEXEC);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return 0;
    throw error;
  }
  try {
    return walk(root, '', visit, 0);
  } finally {
    closeSync(root);
  }
}

/** Each level holds a descriptor. */
function walk(directory: number, prefix: string, visit: (entry: UpperEntry) => void, depth: number): number {
  if (depth > LIMITS.pathDepth) return 1;
  let unreached = 0;
  for (const name of names(directory)) {
    const fd = openInRoot(directory, name, 'look-without-links');
    if (fd === undefined) continue;
    try {
      const stats = fstatSync(fd);
      if (stats.isCharacterDevice() && stats.rdev === 0) continue;
      const path = prefix + name.toString('latin1');
      visit({ path, stats, fd });
      if (stats.isDirectory()) unreached += walk(fd, `${path}/`, visit, depth + 1);
    } finally {
      closeSync(fd);
    }
  }
  return unreached;
}

function names(directory: number): Buffer[] {
  try {
    return readdirSync(procPath(directory, Buffer.from('.')), { encoding: 'buffer' });
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
