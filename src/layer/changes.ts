/**
 * What a container changed, from its upper directory alone: the merged tree is never walked, so the work is that of the
 * changes. overlayfs leaves there (Documentation/filesystems/overlayfs.rst):
 *
 *   etc/conf        character device 0:0, or (since Linux 6.7) an empty file with trusted.overlay.whiteout in a
 *                   directory with opaque=x                             etc/conf of the layers below is hidden
 *   srv/            trusted.overlay.opaque=y                            nothing from below is seen in it
 *   usr/            trusted.overlay.redirect                            shows a directory of another name below
 *   bin/sh          trusted.overlay.metacopy                            attributes only, the contents lie below
 *
 * The last two are refused: with them the upper directory alone no longer tells what changed. gantry mounts without
 * them (overlay-mount.ts), so they come from elsewhere.
 *
 * The container may be alive and hostile: each name is opened in its open directory, no link is followed.
 */
import { type BigIntStats, fstatSync, readdirSync } from 'node:fs';
import { GantryError } from '../core/errors.js';
import { at, O } from '../core/fsops/at.js';
import { check, E, errno } from '../core/fsops/libc.js';
import { OpenXattrs } from '../core/fsops/xattr.js';
import { LIMITS } from '../core/limits.js';
import { NameBuffer } from '../core/rooted-dir.js';
import { treeEntry } from '../core/tar/tree-entry.js';
import type { NewEntry } from '../core/tar/writer.js';
import { show } from './entry-path.js';
import { OPAQUE_XATTR } from './whiteout.js';

export interface Change {
  /** latin1, '' for the upper directory itself, which comes first. */
  readonly path: string;
  readonly kind: 'entry' | 'whiteout' | 'socket';
  /** Of an entry. */
  readonly entry: NewEntry | undefined;
  readonly opaque: boolean;
  /** A directory on the way is opaque: nothing from below was seen here. */
  readonly insideOpaque: boolean;
  readonly stat: BigIntStats;
  /** O_PATH, open until the next change is asked for. */
  readonly fd: number;
  /** All of them, overlayfs' own too. */
  readonly xattrs: ReadonlyMap<string, string> | undefined;
}

const OVERLAY = 'trusted.overlay.';
const LOOK = O.PATH | O.NOFOLLOW | O.CLOEXEC;

interface Above {
  readonly depth: number;
  readonly opaque: boolean;
  /** Its whiteouts may be files with an attribute. */
  readonly markedFiles: boolean;
}

/** Depth first, a directory before what is in it, names in byte order. `root` is left open. */
export function* walkChanges(root: number): Generator<Change> {
  const reader = new OpenXattrs();
  const nameBytes = new NameBuffer();
  yield* visit(root, '', { depth: 0, opaque: false, markedFiles: false });

  function* visit(fd: number, path: string, above: Above): Generator<Change> {
    const stat = fstatSync(fd, { bigint: true });
    const xattrs = reader.read(fd);
    const opaque = xattrs?.get(OPAQUE_XATTR);
    const whiteout =
      (stat.isCharacterDevice() && stat.rdev === 0n) ||
      (above.markedFiles && stat.isFile() && xattrs?.has(`${OVERLAY}whiteout`) === true);
    const entry = whiteout ? undefined : treeEntry(fd, stat, path);
    refuseIncomplete(path, stat, xattrs);
    const kind = whiteout ? 'whiteout' : entry === undefined ? 'socket' : 'entry';
    yield { path, kind, entry, opaque: opaque === 'y', insideOpaque: above.opaque, stat, fd, xattrs };
    if (!stat.isDirectory()) return;
    const inside = {
      depth: above.depth + 1,
      opaque: above.opaque || opaque === 'y',
      markedFiles: opaque === 'x',
    };
    // A name that is taken away and put back while the directory is read may come twice.
    const names = new Set(readdirSync(`/proc/self/fd/${fd}`, 'latin1').sort());
    for (const name of names) {
      const child = path === '' ? name : `${path}/${name}`;
      if (inside.depth > LIMITS.pathDepth || child.length >= LIMITS.pathBytes) throw tooDeep(child);
      const opened = at.open(fd, nameBytes.set(name), LOOK, 0);
      if (opened < 0 && errno() === E.ENOENT) continue; // it went meanwhile
      check(opened, 'open', show(child));
      try {
        yield* visit(opened, child, inside);
      } finally {
        at.close(opened);
      }
    }
  }
}

function refuseIncomplete(
  path: string,
  stat: BigIntStats,
  xattrs: ReadonlyMap<string, string> | undefined,
): void {
  const feature = xattrs?.has(`${OVERLAY}metacopy`)
    ? 'metacopy'
    : stat.isDirectory() && xattrs?.has(`${OVERLAY}redirect`)
      ? 'redirect_dir'
      : undefined;
  if (feature === undefined) return;
  throw new GantryError(
    'ERR_UNSUPPORTED',
    `${show(path)} was changed under overlayfs with ${feature}=on: expected a write layer that holds its changes whole`,
    { path, hint: 'export the container, which reads the merged view: gantry export' },
  );
}

const tooDeep = (path: string): GantryError =>
  new GantryError(
    'ERR_UNSUPPORTED',
    `${show(path)}: expected at most ${LIMITS.pathDepth} directories and ${LIMITS.pathBytes} bytes of path`,
  );
