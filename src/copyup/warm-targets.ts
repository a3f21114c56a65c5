/**
 * Which files of a container a user means, as real paths inside its root:
 *
 *   /var/lib/db/main.db      that file, or what a link of that name leads to
 *   /var/lib/db              every file beneath the directory
 *   /var/lib/**\/*.db        the files whose paths match; `**` is any depth, names with a dot count
 *
 * The container is hostile: each step is an openat2 inside its root, on the mount of the root itself, because what lies in
 * a volume, a tmpfs or /proc is never copied up. A path that exists is itself, whatever brackets it has. Of a glob, links
 * before its first wildcard are followed; behind it a link counts only where it leads to a file.
 */
import { type Dirent, fstatSync, readdirSync, type Stats } from 'node:fs';
import picomatch from 'picomatch';
import { errnoCode, GantryError } from '../core/errors.js';
import { at } from '../core/fsops/at.js';
import { procPath, realPathInRoot } from '../core/fsops/in-root.js';
import { openIfShort } from './long-paths.js';

export interface Target {
  /** Real path, raw bytes as latin1, no leading slash. */
  readonly path: string;
  /** Of data: holes are not copied. */
  readonly bytes: number;
}

/** Files by path, each once. `root` is the container's, opened with O_PATH. ERR_NOT_FOUND, ERR_INVALID_ARGUMENT. */
export function findTargets(root: number, patterns: readonly string[]): Target[] {
  const found = new Map<string, Target>();
  for (const pattern of patterns) {
    for (const target of matches(root, pattern)) found.set(target.path, target);
  }
  return [...found.values()];
}

/** The file at one path; undefined when there is none, or it is in a volume. */
export function findTarget(root: number, path: Uint8Array): Target | undefined {
  return withEntry(root, path, 'follow-on-mount', (fd, stat) =>
    stat.isFile() ? { path: realPathInRoot(root, fd), bytes: dataBytes(stat) } : undefined,
  );
}

function* matches(root: number, pattern: string): Generator<Target> {
  const named = withEntry(root, Buffer.from(pattern), 'follow-on-mount', (fd, stat) => ({
    path: realPathInRoot(root, fd),
    bytes: dataBytes(stat),
    isFile: stat.isFile(),
    isDirectory: stat.isDirectory(),
  }));
  if (named?.isFile) return yield named;
  if (named?.isDirectory) return yield* beneath(root, named.path, { links: false });
  if (named !== undefined) throw new GantryError('ERR_INVALID_ARGUMENT', `${pattern}: not a regular file`);
  const { base, glob } = picomatch.scan(pattern);
  if (isOnOtherMount(root, pattern) || (glob !== '' && isOnOtherMount(root, base))) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${pattern}: lies in a volume or on another file system, where nothing is copied up`,
    );
  }
  let any = false;
  if (glob !== '') {
    for (const target of globbed(root, base, glob)) {
      any = true;
      yield target;
    }
  }
  if (!any) throw new GantryError('ERR_NOT_FOUND', `${pattern}: no such file in the container`);
}

const isOnOtherMount = (root: number, path: string): boolean =>
  withEntry(root, Buffer.from(path), 'follow-on-mount', () => true) === undefined &&
  withEntry(root, Buffer.from(path), 'follow', () => true) === true;

function* globbed(root: number, base: string, glob: string): Generator<Target> {
  const directory = withEntry(root, Buffer.from(base), 'follow-on-mount', (fd, stat) =>
    stat.isDirectory() ? realPathInRoot(root, fd) : undefined,
  );
  if (directory === undefined) return;
  const isMatch = picomatch(glob, { dot: true, nonegate: true });
  const accepts = (path: string): boolean => isMatch(Buffer.from(path, 'latin1').toString());
  const depth = glob.includes('**') ? Number.POSITIVE_INFINITY : glob.split('/').length;
  yield* beneath(root, directory, { depth, accepts, links: true });
}

interface Walk {
  /** Directories to go down, this one included. */
  readonly depth?: number;
  /** Asked with the path below the start, latin1. */
  readonly accepts?: (path: string) => boolean;
  /** Take what an accepted link leads to. */
  readonly links: boolean;
}

/** Directories that vanish or are replaced meanwhile are passed over. */
function* beneath(root: number, start: string, walk: Walk, below = ''): Generator<Target> {
  const { depth = Number.POSITIVE_INFINITY, accepts = () => true, links } = walk;
  for (const entry of list(root, join(start, below))) {
    const inside = join(below, entry.name);
    if (entry.isDirectory()) {
      if (depth > 1) yield* beneath(root, start, { ...walk, depth: depth - 1 }, inside);
    } else if ((entry.isFile() || (links && entry.isSymbolicLink())) && accepts(inside)) {
      const target = findTarget(root, Buffer.from(join(start, inside), 'latin1'));
      if (target !== undefined) yield target;
    }
  }
}

const list = (root: number, path: string): Dirent[] =>
  withEntry(root, Buffer.from(path, 'latin1'), 'look-on-mount', (fd, stat) =>
    stat.isDirectory() ? readdirSync(procPath(fd), { withFileTypes: true, encoding: 'latin1' }) : undefined,
  ) ?? [];

const join = (directory: string, name: string): string => (directory === '' ? name : `${directory}/${name}`);
const dataBytes = ({ size, blocks }: Stats): number => Math.min(size, blocks * 512);

function withEntry<T>(
  root: number,
  path: Uint8Array,
  how: 'look-on-mount' | 'follow-on-mount' | 'follow',
  act: (fd: number, stat: Stats) => T,
): T | undefined {
  const fd = openIfShort(root, path, how);
  if (fd === undefined) return undefined;
  try {
    return act(fd, fstatSync(fd));
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  } finally {
    at.close(fd);
  }
}
