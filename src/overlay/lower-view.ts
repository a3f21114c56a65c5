/**
 * What the layers below a write layer show at a path, asked in the order of a walk: the directories that merge on the way to
 * the last path stay open, so each further name in the same directory costs one lstat a layer that has it.
 *
 *   top    etc/conf (char device 0:0)       hides etc/conf of all below
 *   …      srv (trusted.overlay.opaque=y)   the last that merges at srv
 *   base   etc/conf, srv/data
 *
 * Layers are read-only, so what a step saw holds. covered.ts answers single paths; this is for thousands.
 */
import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { AT_FDCWD, at, O } from '../core/fsops/at.js';
import { procPath } from '../core/fsops/in-root.js';
import { check, cstring, E, errno } from '../core/fsops/libc.js';
import { getXattr } from '../core/fsops/xattr.js';
import { isWhiteout } from './covered.js';

const DIRECTORY = O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
const SELF = Buffer.from('.');

interface Merged {
  readonly path: string;
  /** Open directories, top first. */
  readonly directories: readonly number[];
}

export class LowerView {
  readonly #way: Merged[];

  /** `layers` are the directories with the layers' files, top first. */
  constructor(layers: readonly string[]) {
    const open = (layer: string): number =>
      check(at.open(AT_FDCWD, cstring(layer), DIRECTORY, 0), 'open', layer);
    this.#way = [{ path: '', directories: layers.map(open) }];
  }

  /** What is seen at `path` (latin1, '' is the root); undefined when nothing is. */
  find(path: string): BigIntStats | undefined {
    const slash = path.lastIndexOf('/');
    const name = path === '' ? SELF : Buffer.from(path.slice(slash + 1), 'latin1');
    for (const directory of this.#enter(path.slice(0, Math.max(0, slash)))) {
      const found = lstatSync(procPath(directory, name), { bigint: true, throwIfNoEntry: false });
      if (found !== undefined) return isWhiteout(found) ? undefined : found;
    }
    return undefined;
  }

  /** The names in a directory, in no order. */
  list(path: string): string[] {
    const names = new Map<string, boolean>();
    for (const directory of this.#enter(path)) {
      for (const entry of readdirSync(procPath(directory, SELF), {
        encoding: 'latin1',
        withFileTypes: true,
      })) {
        const { name } = entry;
        if (names.has(name)) continue;
        const hidden =
          entry.isCharacterDevice() &&
          isWhiteout(lstatSync(procPath(directory, Buffer.from(name, 'latin1')), { bigint: true }));
        names.set(name, !hidden);
      }
    }
    return [...names].flatMap(([name, seen]) => (seen ? [name] : []));
  }

  close(): void {
    for (const { directories } of this.#way.splice(0)) for (const fd of directories) at.close(fd);
  }

  #enter(path: string): readonly number[] {
    let last = this.#way.at(-1)!;
    while (last.path !== '' && path !== last.path && !path.startsWith(`${last.path}/`)) {
      for (const fd of last.directories) at.close(fd);
      this.#way.pop();
      last = this.#way.at(-1)!;
    }
    if (path === last.path) return last.directories;
    const rest = path.slice(last.path === '' ? 0 : last.path.length + 1);
    const name = rest.split('/', 1)[0]!;
    this.#way.push({
      path: last.path === '' ? name : `${last.path}/${name}`,
      directories: merging(last.directories, name),
    });
    return this.#enter(path);
  }
}

/** The directories of that name that merge: down to one that is opaque, or something that is no directory. */
function merging(parents: readonly number[], name: string): number[] {
  const found: number[] = [];
  const bytes = cstring(Buffer.from(name, 'latin1'));
  for (const parent of parents) {
    const fd = at.open(parent, bytes, DIRECTORY, 0);
    if (fd < 0 && errno() === E.ENOENT) continue;
    if (fd < 0 && (errno() === E.ENOTDIR || errno() === E.ELOOP)) break;
    found.push(check(fd, 'open', name));
    if (getXattr(procPath(fd, SELF), 'trusted.overlay.opaque')?.toString() === 'y') break;
  }
  return found;
}
