/**
 * Puts tar entries into a layer's `diff/` directory, in overlay's form, as root and on hostile input.
 *
 * Order of work for one entry: find the parent beneath the root → make the thing with its mode → owner → (mode again
 * where chown cleared bits) → contents → xattrs (a write drops security.capability) → times. A file that exists is
 * replaced, never followed. Directory times are set at the very end, because each new entry changes its parent's.
 *
 * What depends on the layers below is left to the commit and told in the result (see layer-dirs.ts).
 * The calling thread must have umask 0 (`privateUmask`).
 */
import { readdirSync } from 'node:fs';
import { GantryError, unreachable } from '../core/errors.js';
import { AddressCache } from '../core/ffi.js';
import { AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, at, O } from '../core/fsops/at.js';
import { E, errno, syscallError } from '../core/fsops/libc.js';
import { NameBuffer, RootedDir } from '../core/rooted-dir.js';
import type { TarEntry } from '../core/tar/entry.js';
import { device, nodeMode } from './device-node.js';
import { baseOf, cleanPath, hostile, parentOf, show } from './entry-path.js';
import { LayerDirs } from './layer-dirs.js';
import type { Whiteout } from './whiteout.js';
import { procPath, XattrSetter } from './xattr-setter.js';
import { eachDataRun } from './zero-blocks.js';

/** Modes with set-id bits: chown clears them, and mkdir does not take them. */
const SETID = 0o6000;
const SETGID = 0o2000;
const FILE_FLAGS = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC;

export interface Extracted {
  readonly implicitDirs: string[];
  readonly whiteouts: string[];
  readonly droppedXattrs: number;
}

/**
 * Told before something of this layer's own is replaced by a later entry, so that tar-split can keep its bytes: it may
 * move a leaf away. `place` is where it stands.
 */
export type OnReplace = (path: string, kind: 'leaf' | 'directory', place: Buffer) => void;

export interface ExtractorOptions {
  readonly onReplace: OnReplace;
  /** A directory on the same file system that holds the files already: they get a second name and are not written. */
  readonly given?: string | undefined;
  /** Whole blocks of zeros become holes. */
  readonly holes?: boolean | undefined;
}

export class Extractor {
  readonly #xattrs = new XattrSetter();
  readonly #dirs: LayerDirs;
  readonly #onReplace: OnReplace;
  readonly #given: RootedDir | undefined;
  readonly #holes: boolean;
  readonly #name = new NameBuffer();
  readonly #other = new NameBuffer();
  readonly #times = new BigInt64Array(4);
  readonly #addresses = new AddressCache();
  readonly #dirTimes = new Map<string, readonly [seconds: number, nanos: number]>();
  #fd = -1;
  /** Where the last write to it ended. */
  #end = 0;
  #entry: TarEntry | undefined;
  /** A directory with the set-group-ID bit is there: what is made in one takes its group, and a directory the bit. */
  #inheriting = false;

  constructor(diff: string, { onReplace, given, holes = false }: ExtractorOptions) {
    this.#dirs = new LayerDirs(diff, this.#xattrs);
    this.#onReplace = onReplace;
    this.#given = given === undefined ? undefined : new RootedDir(given);
    this.#holes = holes;
  }

  /** Makes one entry; a file stays open for `data` until `end`. `path` is cleaned and not a whiteout. */
  begin(entry: TarEntry, path: string): void {
    this.#entry = entry;
    if (path === '') {
      this.#root(entry, path);
      return;
    }
    const parent = this.#dirs.parent(path);
    const name = this.#name.set(baseOf(path));
    switch (entry.type) {
      case 'file':
        this.#file(entry, path, parent, name);
        break;
      case 'directory':
        this.#directory(entry, path, parent, name);
        break;
      case 'symlink': {
        if (entry.linkname.includes('\0') || entry.linkname === '')
          throw hostile('bad symlink target', entry.name);
        const target = this.#other.set(entry.linkname);
        this.#create(path, parent, () => at.symlink(target, parent, name));
        this.#finishByName(entry, path, parent, name);
        break;
      }
      case 'link':
        this.#link(entry, path);
        break;
      case 'char':
      case 'block':
      case 'fifo':
        this.#create(path, parent, () => at.mknod(parent, name, nodeMode(entry), device(entry)));
        this.#finishByName(entry, path, parent, name);
        break;
      default:
        unreachable(entry.type);
    }
  }

  data(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (this.#given !== undefined) return;
    if (!this.#holes) this.#write(bytes, start, end, offset);
    else
      eachDataRun(bytes, start, end, offset, (from, to) =>
        this.#write(bytes, from, to, offset + from - start),
      );
  }

  #write(bytes: Uint8Array, start: number, end: number, offset: number): void {
    const placed = this.#holes || this.#entry?.sparse !== undefined;
    const address = this.#addresses.of(bytes);
    for (let from = start; from < end; ) {
      const length = end - from;
      const done = placed
        ? at.pwrite(this.#fd, address + from, length, offset + from - start)
        : at.write(this.#fd, address + from, length);
      if (done < 0 && errno() === E.EINTR) continue;
      this.#check(done, 'write', this.#entry?.name ?? '');
      from += done;
      this.#end = offset + from - start;
    }
  }

  /** The current entry is complete: closes its file. */
  end(): void {
    const entry = this.#entry;
    this.#entry = undefined;
    if (this.#fd < 0 || entry === undefined) return;
    if (this.#end < entry.size) this.#check(at.ftruncate(this.#fd, entry.size), 'truncate', entry.name);
    if (entry.xattrs !== undefined) this.#xattrs.setOnFile(this.#fd, entry.xattrs, entry.name);
    this.#setTimes(entry.mtime, entry.mtimeNanos);
    this.#check(at.futimens(this.#fd, this.#times), 'utimens', entry.name);
    const fd = this.#fd;
    this.#fd = -1;
    this.#check(at.close(fd), 'close', entry.name);
  }

  whiteout(whiteout: Exclude<Whiteout, { kind: 'ignored' }>): void {
    if (whiteout.kind === 'hide') {
      this.#dirs.hide(whiteout.path);
      return;
    }
    this.#dirs.make(whiteout.path);
    this.#dirs.makeOpaque(whiteout.path);
  }

  /** After the last entry: idle whiteouts go, and directory times are set. */
  finish(): Extracted {
    this.#dirs.dropIdleWhiteouts();
    for (const [path, [seconds, nanos]] of this.#dirTimes) {
      const parent = path === '' ? this.#dirs.rooted.root : this.#dirs.rooted.find(parentOf(path));
      if (parent < 0) continue;
      this.#setTimes(seconds, nanos);
      const name = this.#name.set(path === '' ? '.' : baseOf(path));
      const result = at.utimens(parent, name, this.#times, AT_SYMLINK_NOFOLLOW);
      // Reached through a symlink and removed under its other name.
      if (result < 0 && errno() !== E.ENOENT) throw syscallError('utimens', show(path));
    }
    return {
      implicitDirs: [...this.#dirs.implicit],
      whiteouts: [...this.#dirs.whiteouts],
      droppedXattrs: this.#xattrs.dropped,
    };
  }

  /** Releases all descriptors, also after an error. */
  close(): void {
    if (this.#fd >= 0) at.close(this.#fd);
    this.#fd = -1;
    this.#dirs.rooted.close();
    this.#given?.close();
  }

  #check(result: number, call: string, path: string): number {
    if (result < 0) throw syscallError(call, show(path));
    return result;
  }

  #setTimes(seconds: number, nanos: number): void {
    this.#times[0] = BigInt(seconds);
    this.#times[1] = BigInt(nanos);
    this.#times[2] = this.#times[0];
    this.#times[3] = this.#times[1];
  }

  #root(entry: TarEntry, path: string): void {
    if (entry.type !== 'directory') throw hostile(`the root is a ${entry.type}, not a directory`, entry.name);
    this.#name.set('.');
    this.#ownDirectory(entry, path, this.#dirs.rooted.root, this.#name.bytes);
  }

  #file(entry: TarEntry, path: string, parent: number, name: Uint8Array): void {
    const given = this.#given;
    if (given !== undefined) {
      this.#create(path, parent, () => at.link(given.find(parentOf(path)), name, parent, name, 0));
      return;
    }
    this.#end = 0;
    this.#fd = this.#create(path, parent, () => at.open(parent, name, FILE_FLAGS, entry.mode));
    if (!this.#owned(entry)) return;
    this.#check(at.fchown(this.#fd, entry.uid, entry.gid), 'chown', path);
    if (entry.mode & SETID) this.#check(at.fchmod(this.#fd, entry.mode), 'chmod', path);
  }

  #directory(entry: TarEntry, path: string, parent: number, name: Uint8Array): void {
    if (at.mkdir(parent, name, entry.mode) < 0) {
      if (errno() !== E.EEXIST) throw syscallError('mkdir', show(path));
      if (this.#dirs.isDirectory(parent, name)) {
        if (!this.#dirs.implicit.has(path)) this.#replaced(path, 'directory', parent, name);
      } else {
        const hidden = this.#remove(path, parent, name) === 'whiteout';
        this.#check(at.mkdir(parent, name, entry.mode), 'mkdir', path);
        if (hidden) this.#dirs.makeOpaque(path);
      }
      this.#check(at.chmod(parent, name, entry.mode, 0), 'chmod', path);
    }
    this.#ownDirectory(entry, path, parent, name);
  }

  #ownDirectory(entry: TarEntry, path: string, parent: number, name: Uint8Array): void {
    this.#dirs.implicit.delete(path);
    if (this.#owned(entry) || path === '') {
      this.#check(at.chown(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW), 'chown', path);
    }
    if (entry.mode & SETGID) this.#inheriting = true;
    if (entry.mode & SETID || path === '' || this.#inheriting)
      this.#check(at.chmod(parent, name, entry.mode, 0), 'chmod', path);
    if (entry.xattrs !== undefined) this.#xattrs.setByName(parent, name, entry.xattrs, entry.name);
    this.#dirTimes.set(path, [entry.mtime, entry.mtimeNanos]);
  }

  /** True when it is not root's by being made. */
  #owned(entry: TarEntry): boolean {
    return entry.uid !== 0 || entry.gid !== 0 || this.#inheriting;
  }

  #finishByName(entry: TarEntry, path: string, parent: number, name: Uint8Array): void {
    if (this.#owned(entry)) {
      this.#check(at.chown(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW), 'chown', path);
      if (entry.type !== 'symlink' && entry.mode & SETID)
        this.#check(at.chmod(parent, name, entry.mode, 0), 'chmod', path);
    }
    if (entry.xattrs !== undefined) this.#xattrs.setByName(parent, name, entry.xattrs, entry.name);
    this.#setTimes(entry.mtime, entry.mtimeNanos);
    this.#check(at.utimens(parent, name, this.#times, AT_SYMLINK_NOFOLLOW), 'utimens', path);
  }

  /** The inode has its metadata from its first entry; a link adds a name and nothing else. */
  #link(entry: TarEntry, path: string): void {
    const target = cleanPath(entry.linkname);
    if (target === path) throw hostile('hardlink to itself', entry.name);
    if (target === '' || this.#dirs.whiteouts.has(target)) throw missingTarget(entry);
    const parent = this.#dirs.parent(path);
    const name = this.#name.set(baseOf(path));
    const source = this.#other.set(baseOf(target));
    this.#create(path, parent, () => {
      // Looked up each time: making room for the link may have closed the target's directory.
      const from = this.#dirs.rooted.find(parentOf(target));
      const result = from < 0 ? -1 : at.link(from, source, parent, name, 0);
      if (from < 0 || (result < 0 && errno() === E.ENOENT)) throw missingTarget(entry);
      if (result < 0 && errno() === E.EPERM) throw hostile('hardlink to a directory', entry.name);
      return result;
    });
  }

  /** Runs `make`; where something of that name exists, removes it and runs it again. */
  #create(path: string, parent: number, make: () => number): number {
    let result = make();
    if (result < 0 && errno() === E.EEXIST) {
      this.#remove(path, parent, this.#name.bytes);
      result = make();
    }
    return this.#check(result, 'create', path);
  }

  /** Makes room for an entry of the same name. */
  #remove(path: string, parent: number, name: Uint8Array): 'whiteout' | 'entry' {
    if (this.#dirs.dropWhiteout(path, parent, name)) return 'whiteout';
    if (this.#dirs.isDirectory(parent, name)) this.#removeTree(path, parent, name);
    else this.#removeLeaf(path, parent, name);
    // Symlinks and directories may have led to cached descriptors; the caller's parent must not be one of them.
    this.#dirs.rooted.forget(parent);
    return 'entry';
  }

  #removeLeaf(path: string, parent: number, name: Uint8Array): void {
    this.#replaced(path, 'leaf', parent, name);
    if (at.unlink(parent, name, 0) < 0 && errno() !== E.ENOENT) throw syscallError('unlink', show(path));
  }

  #removeTree(path: string, parent: number, name: Uint8Array): void {
    const kept = Buffer.from(name.subarray(0, name.indexOf(0) + 1));
    const fd = this.#check(
      at.open(parent, kept, O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0),
      'open',
      path,
    );
    try {
      for (const child of readdirSync(`/proc/self/fd/${fd}`, 'latin1')) {
        const childPath = `${path}/${child}`;
        const childName = Buffer.from(`${child}\0`, 'latin1');
        this.#dirs.whiteouts.delete(childPath);
        if (this.#dirs.isDirectory(fd, childName)) this.#removeTree(childPath, fd, childName);
        else this.#removeLeaf(childPath, fd, childName);
      }
    } finally {
      at.close(fd);
    }
    if (!this.#dirs.implicit.has(path)) this.#replaced(path, 'directory', parent, kept);
    this.#check(at.unlink(parent, kept, AT_REMOVEDIR), 'rmdir', path);
    this.#dirTimes.delete(path);
    this.#dirs.removed(path);
  }

  #replaced(path: string, kind: 'leaf' | 'directory', parent: number, name: Uint8Array): void {
    this.#onReplace(path, kind, procPath(parent, name));
  }
}

const missingTarget = (entry: TarEntry): GantryError =>
  new GantryError(
    'ERR_LAYER_INVALID',
    `layer entry ${show(entry.name)}: hardlink target ${show(entry.linkname)} is not in this layer`,
  );
