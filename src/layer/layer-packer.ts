/**
 * A write layer becomes a tar, in one pass over its changes, hashed as it is made. Whoever gets the tar unpacks it as if it
 * had been pulled (LayerWriter), in another thread:
 *
 *   walkChanges ─► tar bytes ─► SHA-256 (diffID) ─► slot ring ─► LayerWriter ─► <staging>/diff/, tar-split.json.gz
 *
 * The tar holds a sparse file's holes as zeros (image-spec layer.md: sparse entries should not be used). overlayfs' own
 * attributes and the host's labels do not leave. A whiteout or an opaque directory that hides nothing in the image's
 * layers is left out: it speaks of the init layer, or of what the container had made itself.
 */
import { type BigIntStats, closeSync, constants, openSync } from 'node:fs';
import type { OutputTarget } from '../core/compress/inflater.js';
import { type DiffID, parseDiffID } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { AT_FDCWD, at, O } from '../core/fsops/at.js';
import { dataExtents, type Extent } from '../core/fsops/extents.js';
import { check } from '../core/fsops/libc.js';
import { OpenXattrs } from '../core/fsops/xattr.js';
import { HashedOutput } from '../core/hashed-output.js';
import { LIMITS } from '../core/limits.js';
import { NameBuffer } from '../core/rooted-dir.js';
import { type NewEntry, paddingOf, TAR_END, tarHeader } from '../core/tar/writer.js';
import { type Change, walkChanges } from './changes.js';
import { baseOf, parentOf, show } from './entry-path.js';

export interface PackLayerOptions {
  /** The write layer's files. */
  readonly files: string;
  /** The files are given up, to be linked into the layer: what must not be on them there is taken off. */
  readonly given: boolean;
  readonly hash: Hasher;
  /** What the image's layers show at a path, '' being the root. */
  readonly below: (path: string) => BigIntStats | undefined;
  /** Where the tar goes. */
  readonly target: OutputTarget;
}

const READ = O.RDONLY | O.NONBLOCK | O.CLOEXEC;
const MARK: Omit<NewEntry, 'name'> = {
  type: 'file',
  linkname: '',
  mode: 0o600,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  mtimeNanos: 0,
  major: 0,
  minor: 0,
  xattrs: undefined,
};

/** Returns the tar's digest. ERR_UNSUPPORTED for what a layer cannot hold, ERR_LAYER_TOO_LARGE, ERR_SYSCALL. */
export function packLayer(options: PackLayerOptions): DiffID {
  const root = openSync(options.files, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const packer = new LayerPacker(options);
    for (const change of walkChanges(root)) packer.change(change);
    return packer.finish();
  } finally {
    closeSync(root);
  }
}

class LayerPacker {
  readonly #options: PackLayerOptions;
  readonly #out: HashedOutput;
  readonly #xattrs = new OpenXattrs();
  readonly #place = new NameBuffer();
  readonly #links = new Map<bigint, string>();
  #entries = 0;

  constructor(options: PackLayerOptions) {
    this.#options = options;
    this.#out = new HashedOutput(options.target, options.hash);
  }

  finish(): DiffID {
    this.#out.write(TAR_END);
    return parseDiffID(this.#out.finish());
  }

  change(change: Change): void {
    const { path, kind, entry } = change;
    const below = change.insideOpaque ? undefined : this.#options.below(path);
    if (kind === 'whiteout' && below !== undefined) this.#whiteout(path);
    else if (entry !== undefined) this.#entry(change, entry, below);
  }

  #entry(change: Change, entry: NewEntry, below: BigIntStats | undefined): void {
    const { path, stat } = change;
    if (baseOf(path).startsWith('.wh.')) {
      throw new GantryError(
        'ERR_UNSUPPORTED',
        `${show(path)}: a layer cannot hold a name that begins with .wh., which stands for a removed file there`,
        { path, hint: 'remove or rename it in the container, then commit again' },
      );
    }
    const opaque = change.opaque && below?.isDirectory() === true;
    if (path === '' && below !== undefined && sameAttributes(below, stat)) return;
    const xattrs = leaving(change.xattrs);
    const first = stat.nlink > 1n && entry.type !== 'directory' ? this.#links.get(stat.ino) : undefined;
    if (first !== undefined) {
      this.#header({ ...entry, type: 'link', linkname: first, size: 0 });
      return;
    }
    if (stat.nlink > 1n) this.#links.set(stat.ino, path);
    if (entry.type === 'file') {
      this.#file(change, { ...entry, xattrs });
      return;
    }
    this.#header({ ...entry, xattrs });
    if (opaque) this.#header({ ...MARK, name: `${path === '' ? '' : `${path}/`}.wh..wh..opq` });
  }

  #whiteout(path: string): void {
    const parent = parentOf(path);
    this.#header({ ...MARK, name: `${parent === '' ? '' : `${parent}/`}.wh.${baseOf(path)}` });
  }

  /** As many bytes as the header says, whatever becomes of the file meanwhile. */
  #file({ fd, stat, path, xattrs }: Change, entry: NewEntry): void {
    if (this.#options.given) {
      for (const [name, value] of xattrs ?? []) if (!leaves(name, value)) this.#xattrs.remove(fd, name);
    }
    this.#header(entry);
    if (entry.size === 0) return;
    const file = check(
      at.open(AT_FDCWD, this.#place.set(`/proc/self/fd/${fd}`), READ, 0),
      'open',
      show(path),
    );
    try {
      this.#contents(file, entry.size, stat.blocks * 512n < stat.size);
    } finally {
      at.close(file);
    }
    this.#out.write(paddingOf(entry.size));
  }

  #contents(file: number, size: number, sparse: boolean): void {
    let done = 0;
    const extents: Iterable<Extent> = sparse ? dataExtents(file, size) : [{ start: 0, end: size }];
    for (const { start, end } of extents) {
      this.#out.zeros(start - done);
      done = start + this.#out.read(file, start, end);
    }
    // A hole at the end; or the file was cut short meanwhile.
    this.#out.zeros(size - done);
  }

  #header(entry: NewEntry): void {
    if (++this.#entries > LIMITS.entries || this.#out.total + entry.size > LIMITS.inflatedBytes) {
      const message = `${show(entry.name)}: a layer holds at most ${LIMITS.entries} entries and ${LIMITS.inflatedBytes} bytes`;
      throw new GantryError('ERR_LAYER_TOO_LARGE', message);
    }
    this.#out.write(tarHeader(entry));
  }
}

/** The root of a write layer is always there; it is a change when the container gave it other permissions. */
const sameAttributes = (a: BigIntStats, b: BigIntStats): boolean =>
  a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;

/**
 * overlayfs' attributes are the mount's; of security.* only capabilities are the file's, the rest are the host's labels. An
 * empty value cannot be told: to PAX it takes a record away.
 */
const leaves = (name: string, value: string): boolean =>
  value !== '' &&
  !/^(?:trusted|user)\.overlay\./.test(name) &&
  (!name.startsWith('security.') || name === 'security.capability');

function leaving(xattrs: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> | undefined {
  const kept = [...(xattrs ?? [])]
    .filter(([name, value]) => leaves(name, value))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return kept.length > 0 ? new Map(kept) : undefined;
}
