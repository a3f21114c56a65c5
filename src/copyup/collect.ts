/**
 * Joins what was watched with what lies in the upper directory and below it: the files and created parts of a profile.
 * The upper directory is the authority on what is there, so a copy that was not seen still counts, without its time;
 * a copy that was seen and is gone counts too. Without a watch it is all there is.
 *
 *   in upper   origin below   watched
 *   yes        yes            –         copied; before the watch began it is left out
 *   yes        no             OPEN      copied, and its hard link to other lower files was broken
 *   yes        no             no        created; copied, where origins do not show and there is a file below
 *   no         yes            yes       copied, gone again
 */
import type { Stats } from 'node:fs';
import { handleOfFile } from '../core/fsops/file-handle.js';
import { OpenXattrs } from '../core/fsops/xattr.js';
import { causeOf } from './cause.js';
import type { Watched, WatchedCopy } from './copy-watch.js';
import type { LowerFile, LowerFiles } from './lower-files.js';
import { attributesDiffer, originIn, originsShow } from './origin.js';
import type { CopiedFile, CopiedKind, CopyUpCause, CreatedFile } from './profile.js';
import { walkUpper } from './upper-walk.js';

export interface CollectOptions {
  /** May be gone, with its container. */
  readonly upper: string;
  readonly below: LowerFiles;
  /** Absent: everything in the upper directory counts. */
  readonly watched?: Watched;
}

export interface Collected {
  readonly files: readonly CopiedFile[];
  readonly created: readonly CreatedFile[];
  /** Directories that could not be looked into. */
  readonly unreached: number;
}

/** File times are those of the kernel's last tick, at most 10 ms ago. */
const TICK_MS = 10;
const SECTOR = 512;

export function collectCopies({ upper, below, watched }: CollectOptions): Collected {
  const xattrs = new OpenXattrs();
  const blind = !originsShow();
  const files: CopiedFile[] = [];
  const created: CreatedFile[] = [];
  const met = new Set<string>();
  /** Other names of files with several links. */
  const linked = new Set<number>();
  const unreached = walkUpper(upper, ({ path, stats, fd }) => {
    const key = watched && handleOfFile(fd)?.toString('latin1');
    const copy = key === undefined ? undefined : watched?.copies.get(key);
    if (stats.nlink > 1 && !stats.isDirectory()) {
      if (linked.has(stats.ino)) return;
      linked.add(stats.ino);
    }
    if (key !== undefined) met.add(key);
    // Made before the watch. A file system without birth times says 0.
    if (watched && !copy && stats.birthtimeMs > 0 && stats.birthtimeMs < watched.startedAt - TICK_MS) return;
    const attributes = xattrs.read(fd);
    const origin = originIn(attributes);
    const lower = lowerOf(below, { path, stats, origin, copy, blind, traced: watched !== undefined });
    if (origin !== undefined || lower !== undefined) {
      files.push(copiedFile({ path, stats, attributes, lower, copy, watched }));
    } else if (stats.isFile()) {
      created.push(createdFile(path, stats, watched));
    }
  });
  for (const [key, copy] of watched?.copies ?? []) {
    const { look } = copy;
    if (met.has(key) || look === undefined) continue;
    const lower = below.find(look.path ?? '', look.origin);
    if (lower === undefined || (look.origin === undefined && !copy.opened)) continue;
    const { stats } = look;
    const path = look.path ?? lower.path;
    files.push({
      ...copiedFile({ path, stats, attributes: lower.attributes, lower, copy, watched }),
      gone: true,
    });
  }
  files.sort((a, b) => (a.startMs ?? 0) - (b.startMs ?? 0));
  return { files, created, unreached };
}

interface Seen {
  readonly path: string;
  readonly stats: Stats;
  readonly origin: Buffer | undefined;
  readonly copy: WatchedCopy | undefined;
  readonly traced: boolean;
  readonly blind: boolean;
}

/** The file that was copied; undefined for a created one, and where it can no longer be told. */
function lowerOf(
  below: LowerFiles,
  { path, stats, origin, copy, traced, blind }: Seen,
): LowerFile | undefined {
  if (origin !== undefined) return below.find(path, origin);
  if (blind) {
    const lower = below.find(path);
    return lower && kindOf(lower.stats) === kindOf(stats) ? lower : undefined;
  }
  if (!stats.isFile() || (traced && !copy?.opened)) return undefined;
  // overlayfs tells no origin where the lower file has several names.
  const lower = below.find(copy?.look?.path ?? path);
  return lower?.stats.isFile() && lower.stats.nlink > 1 ? lower : undefined;
}

interface Copied {
  readonly path: string;
  /** Of the copy, as it is now. */
  readonly stats: Stats;
  readonly attributes: ReadonlyMap<string, string> | undefined;
  readonly lower: LowerFile | undefined;
  readonly copy: WatchedCopy | undefined;
  readonly watched: Watched | undefined;
}

function copiedFile(copied: Copied): CopiedFile {
  const { path, stats, lower, copy } = copied;
  const from = lower?.stats ?? stats;
  const empty = !from.isFile() || wasEmptied(copy, from);
  return {
    ...profilePath(path),
    kind: kindOf(stats),
    cause: causeOfCopy(copied),
    ...(copy === undefined ? {} : processOf(copy)),
    ...(lower === undefined ? {} : { layer: lower.layer }),
    // Holes are not copied.
    bytes: empty ? 0 : Math.min(from.size, from.blocks * SECTOR),
    ...(copy === undefined ? {} : { startMs: rounded(copy.firstMs) }),
    ...(copy === undefined || copy.lastMs === copy.firstMs
      ? {}
      : { durationMs: rounded(copy.lastMs - copy.firstMs) }),
  };
}

const wasEmptied = (copy: WatchedCopy | undefined, from: Stats): boolean =>
  copy?.copiedSize === 0 && from.size > 0;

function causeOfCopy({ stats, attributes, lower, copy, watched }: Copied): CopyUpCause {
  if (lower === undefined || copy?.look === undefined) return 'unknown';
  const { look, command } = copy;
  const regular = stats.isFile();
  // A copied file keeps the inode number that it had below, unless that had several names.
  const inodes = [lower.stats.ino, stats.ino];
  return causeOf({
    regular,
    lower: lower.stats,
    // Only a file's copy tells when the call returned; another one is in its place before its attributes are set.
    after: regular ? look.stats : stats,
    moved: look.path !== undefined && look.path !== lower.path,
    emptied: wasEmptied(copy, lower.stats),
    written:
      regular &&
      (stats.mtimeMs !== lower.stats.mtimeMs || inodes.some((ino) => watched?.writers.has(ino) === true)),
    attributesDiffer: attributesDiffer(attributes, lower.attributes),
    ...(command === undefined ? {} : { command }),
  });
}

function createdFile(path: string, stats: Stats, watched: Watched | undefined): CreatedFile {
  const writer = watched?.writers.get(stats.ino);
  return {
    ...profilePath(path),
    bytes: stats.size,
    ...(writer === undefined ? {} : processOf(writer)),
    ...(watched && stats.birthtimeMs > 0
      ? { startMs: rounded(Math.max(0, stats.birthtimeMs - watched.startedAt)) }
      : {}),
  };
}

const processOf = ({ pid, command }: { readonly pid: number; readonly command?: string }) => ({
  pid,
  ...(command === undefined ? {} : { command }),
});

/** Microseconds are what the clock is good for. */
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

function kindOf(stats: Stats): CopiedKind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symlink' : 'other';
}

function profilePath(latin1: string): { path: string; pathBase64?: string } {
  const bytes = Buffer.from(`/${latin1}`, 'latin1');
  const path = bytes.toString('utf8');
  return Buffer.from(path).equals(bytes) ? { path } : { path, pathBase64: bytes.toString('base64') };
}
