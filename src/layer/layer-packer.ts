/**
 * A write layer becomes a layer, in one pass over its changes: tar header and contents are hashed, noted in tar-split and
 * written to the new layer's `diff/` from the same buffer, or the file is linked there, where nobody will write to it again.
 *
 *   walkChanges ─► tar bytes ─► SHA-256 (diffID)
 *                          ├──► tar-split.json.gz
 *                          └──► Extractor ─► <staging>/diff/
 *
 * The tar holds a sparse file's holes as zeros (image-spec layer.md: sparse entries should not be used); on disk they
 * stay holes. overlayfs' own attributes and the host's labels do not leave. A whiteout or an opaque directory that hides
 * nothing in the image's layers is left out: it speaks of the init layer, or of what the container had made itself.
 */
import { type BigIntStats, closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Crc64 } from '../core/digest/crc64.js';
import type { DiffID } from '../core/digest/digest.js';
import { parseDiffID } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { dataExtents, type Extent } from '../core/fsops/extents.js';
import { OpenXattrs } from '../core/fsops/xattr.js';
import { LIMITS } from '../core/limits.js';
import type { TarEntry } from '../core/tar/entry.js';
import { type NewEntry, paddingOf, TAR_END, tarHeader } from '../core/tar/writer.js';
import { type Change, walkChanges } from './changes.js';
import { baseOf, parentOf, show } from './entry-path.js';
import { Extractor } from './extractor.js';
import { TAR_SPLIT, type Written } from './layer-writer.js';
import { TarSplitWriter } from './tar-split-writer.js';

export interface PackLayerOptions {
  /** The write layer's files. */
  readonly files: string;
  /** A private directory with an empty `diff/`, on the file system of `files`. */
  readonly staging: string;
  /** The files are given up: they get a second name in the layer and are not copied. */
  readonly link: boolean;
  readonly hash: Hasher;
  readonly crc: Crc64;
  /** What the image's layers show at a path, '' being the root. */
  readonly below: (path: string) => BigIntStats | undefined;
  /** Bytes of tar so far; throws to end the work. */
  readonly onProgress: (bytes: number) => void;
}

export interface PackedLayer extends Written {
  readonly diffID: DiffID;
}

const BUFFER_BYTES = 256 * 1024;
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

export class LayerPacker {
  readonly #options: PackLayerOptions;
  readonly #tarSplit: TarSplitWriter;
  readonly #extractor: Extractor;
  readonly #xattrs = new OpenXattrs();
  readonly #buffer = Buffer.from(new ArrayBuffer(BUFFER_BYTES));
  readonly #zeros = Buffer.alloc(BUFFER_BYTES);
  readonly #links = new Map<bigint, string>();
  #entries = 0;
  #tarSize = 0;
  #size = 0;

  /** The calling thread must have umask 0. */
  constructor(options: PackLayerOptions) {
    this.#options = options;
    this.#tarSplit = new TarSplitWriter(join(options.staging, TAR_SPLIT));
    this.#extractor = new Extractor(join(options.staging, 'diff'), () => {});
  }

  /** ERR_UNSUPPORTED for what a layer cannot hold, ERR_LAYER_TOO_LARGE, ERR_NO_SPACE, ERR_SYSCALL. */
  pack(): PackedLayer {
    this.#options.hash.reset();
    const root = openSync(this.#options.files, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      for (const change of walkChanges(root)) this.#change(change);
    } finally {
      closeSync(root);
    }
    this.#raw(TAR_END);
    this.#tarSplit.finish();
    return {
      ...this.#extractor.finish(),
      diffID: parseDiffID(this.#options.hash.digest()),
      entries: this.#entries,
      tarSize: this.#tarSize,
      size: this.#size,
    };
  }

  /** Releases descriptors, also after an error. */
  close(): void {
    this.#extractor.close();
    this.#tarSplit.close();
  }

  #change(change: Change): void {
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
      this.#put({ ...entry, type: 'link', linkname: first, size: 0 }, path);
      this.#tarSplit.file(entry.name, 0, undefined);
      return;
    }
    if (stat.nlink > 1n) this.#links.set(stat.ino, path);
    if (entry.type === 'file') {
      this.#file(change, { ...entry, xattrs });
      return;
    }
    this.#put({ ...entry, xattrs }, path);
    this.#tarSplit.file(entry.name, 0, undefined);
    if (!opaque) return;
    this.#mark(`${path === '' ? '' : `${path}/`}.wh..wh..opq`);
    this.#extractor.whiteout({ kind: 'opaque', path });
  }

  #whiteout(path: string): void {
    const parent = parentOf(path);
    this.#mark(`${parent === '' ? '' : `${parent}/`}.wh.${baseOf(path)}`);
    this.#extractor.whiteout({ kind: 'hide', path });
  }

  #mark(name: string): void {
    this.#header({ ...MARK, name });
    this.#tarSplit.file(name, 0, undefined);
  }

  #put(entry: NewEntry, path: string): void {
    this.#header(entry);
    this.#extractor.begin(toExtract(entry, false), path);
    this.#extractor.end();
  }

  /** As many bytes as the header says, whatever becomes of the file meanwhile. */
  #file(change: Change, entry: NewEntry): void {
    const { fd, stat, path } = change;
    const file = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const sparse = stat.blocks * 512n < stat.size;
      this.#header(entry);
      if (this.#options.link) this.#adopt(change);
      else this.#extractor.begin(toExtract(entry, sparse), path);
      this.#options.crc.reset();
      this.#read(file, entry.size, sparse);
      if (!this.#options.link) this.#extractor.end();
      this.#size += entry.size;
      this.#tarSplit.file(entry.name, entry.size, entry.size > 0 ? this.#options.crc.digest() : undefined);
      this.#raw(paddingOf(entry.size));
    } finally {
      closeSync(file);
    }
  }

  /** The container's file becomes the layer's, without what would not be on it if it came from the tar. */
  #adopt({ path, fd, xattrs }: Change): void {
    for (const [name, value] of xattrs ?? []) if (!leaves(name, value)) this.#xattrs.remove(fd, name);
    this.#extractor.adopt(path, fd);
  }

  #read(file: number, size: number, sparse: boolean): void {
    let done = 0;
    const extents: Iterable<Extent> = sparse ? dataExtents(file, size) : [{ start: 0, end: size }];
    for (const { start, end } of extents) {
      this.#zeroes(start - done);
      for (done = start; done < end; ) {
        const got = readSync(file, this.#buffer, 0, Math.min(BUFFER_BYTES, end - done), done);
        if (got === 0) break;
        this.#contents(this.#buffer, got);
        if (!this.#options.link) this.#extractor.data(this.#buffer, 0, got, done);
        done += got;
      }
    }
    // A hole at the end; or the file was cut short meanwhile, and the copy is filled up as the tar is.
    this.#zeroes(size - done, sparse ? undefined : done);
  }

  #zeroes(length: number, writeAt?: number): void {
    for (let left = length; left > 0; left -= BUFFER_BYTES) {
      const bytes = Math.min(left, BUFFER_BYTES);
      this.#contents(this.#zeros, bytes);
      if (writeAt !== undefined && !this.#options.link)
        this.#extractor.data(this.#zeros, 0, bytes, writeAt + length - left);
    }
  }

  #contents(bytes: Buffer, length: number): void {
    this.#options.crc.update(bytes, 0, length);
    this.#count(bytes.subarray(0, length));
  }

  #header(entry: NewEntry): void {
    if (++this.#entries > LIMITS.entries || this.#tarSize + entry.size > LIMITS.inflatedBytes) {
      const message = `${show(entry.name)}: a layer holds at most ${LIMITS.entries} entries and ${LIMITS.inflatedBytes} bytes`;
      throw new GantryError('ERR_LAYER_TOO_LARGE', message);
    }
    this.#raw(tarHeader(entry));
  }

  #raw(bytes: Buffer): void {
    this.#tarSplit.raw(bytes, 0, bytes.length);
    this.#count(bytes);
  }

  #count(bytes: Buffer): void {
    this.#options.hash.update(bytes);
    this.#tarSize += bytes.length;
    this.#options.onProgress(this.#tarSize);
  }
}

const toExtract = (entry: NewEntry, sparse: boolean): TarEntry => ({
  ...entry,
  sparse: sparse ? [] : undefined,
  headerOffset: 0,
  dataOffset: 0,
});

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
