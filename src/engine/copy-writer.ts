/**
 * Puts tar entries into a tree that somebody hostile may be changing (`cp` into a live container, CVE-2018-15664): every
 * directory is found with openat2 inside the root, and what is made is owned, set and filled through its own descriptor
 * or without following a link. A chmod by name would follow one that the container has put there.
 *
 * What exists is replaced, but never a directory by something else, or something else by a directory.
 */
import { fchmodSync, fchownSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { GantryError, unreachable } from '../core/errors.js';
import { AT_SYMLINK_NOFOLLOW, at, O } from '../core/fsops/at.js';
import { check, cstring, E, errno, syscallError } from '../core/fsops/libc.js';
import type { RootedDir } from '../core/rooted-dir.js';
import type { TarEntry } from '../core/tar/entry.js';
import { type TarHandler, TarReader } from '../core/tar/reader.js';
import { device, nodeMode } from '../layer/device-node.js';
import { baseOf, cleanPath, parentOf } from '../layer/entry-path.js';

const NEW_FILE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC;
const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
const KEPT_XATTR = /^(?:security\.capability$|user\.(?!overlay\.))/;

export interface CopyWriterOptions {
  /** Closed by `close`. */
  readonly rooted: RootedDir;
  /** The directory, inside the root, that the archive's names are in; latin1, '' for the root. */
  readonly into: string;
  /** In place of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

export class CopyWriter implements TarHandler {
  readonly #options: CopyWriterOptions;
  readonly #reader = new TarReader(this);
  readonly #times = new Map<string, TarEntry>();
  #entry: TarEntry | undefined;
  #fd = -1;

  constructor(options: CopyWriterOptions) {
    this.#options = options;
  }

  /** ERR_LAYER_INVALID for what is no tar, ERR_CONFLICT, ERR_NO_SPACE, ERR_SYSCALL. */
  write(bytes: Buffer): void {
    this.#reader.write(bytes, 0, bytes.length);
  }

  /** After the last byte: times of directories, which each new entry has changed. */
  finish(): void {
    this.#reader.finish();
    for (const [path, entry] of this.#times) {
      const fd = this.#options.rooted.find(path);
      if (fd >= 0) this.#setTimes(fd, cstring('.'), entry);
    }
  }

  close(): void {
    if (this.#fd >= 0) at.close(this.#fd);
    this.#options.rooted.close();
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    const name = cleanPath(entry.name);
    if (name === '') return; // the directory that is copied into, which stays as it is
    const path = this.#inside(name);
    const parent = this.#directory(parentOf(path));
    const base = cstring(Buffer.from(baseOf(path), 'latin1'));
    this.#makeRoom(entry, path, parent, base);
    switch (entry.type) {
      case 'directory':
        this.#makeDirectory(entry, path, parent, base);
        break;
      case 'file':
        this.#fd = check(at.open(parent, base, NEW_FILE, 0o600), 'open', path);
        break;
      case 'symlink':
        check(at.symlink(cstring(Buffer.from(entry.linkname, 'latin1')), parent, base), 'symlink', path);
        this.#finishByName(entry, parent, base, path);
        break;
      case 'link':
        this.#link(entry, parent, base, path);
        break;
      case 'char':
      case 'block':
      case 'fifo':
        check(at.mknod(parent, base, nodeMode(entry), device(entry)), 'mknod', path);
        this.#finishByName(entry, parent, base, path);
        break;
      default:
        unreachable(entry.type);
    }
  }

  data(bytes: Buffer, start: number, end: number, offset: number): void {
    for (let from = start; from < end; ) {
      from += writeSync(this.#fd, bytes, from, end - from, offset + from - start);
    }
  }

  end(): void {
    const entry = this.#entry;
    this.#entry = undefined;
    if (this.#fd < 0 || entry === undefined) return;
    if (entry.sparse !== undefined) ftruncateSync(this.#fd, entry.size);
    this.#own(this.#fd, entry);
    for (const [name, value] of entry.xattrs ?? []) {
      if (!KEPT_XATTR.test(name)) continue;
      const key = cstring(Buffer.from(name, 'latin1'));
      const bytes = Buffer.from(value, 'latin1');
      const set = at.fsetxattr(this.#fd, key, bytes, bytes.length, 0);
      if (set < 0 && errno() !== E.EOPNOTSUPP) throw syscallError(`fsetxattr ${name}`, entry.name);
    }
    check(at.futimens(this.#fd, times(entry)), 'utimens', entry.name);
    check(at.close(this.#fd), 'close', entry.name);
    this.#fd = -1;
  }

  raw(): void {}

  #inside(name: string): string {
    const { into } = this.#options;
    return into === '' ? name : `${into}/${name}`;
  }

  /** The descriptor of a directory inside the root, made with what leads to it. */
  #directory(path: string): number {
    const { rooted } = this.#options;
    const found = rooted.find(path);
    if (found >= 0) return found;
    if (path === '') throw syscallError('open', '/', E.ENOENT);
    const parent = this.#directory(parentOf(path));
    check(at.mkdir(parent, cstring(Buffer.from(baseOf(path), 'latin1')), 0o755), 'mkdir', path);
    return check(rooted.find(path), 'open', path);
  }

  #makeRoom(entry: TarEntry, path: string, parent: number, base: Uint8Array): void {
    const fd = at.open(parent, base, O.PATH | O.NOFOLLOW | O.CLOEXEC, 0);
    if (fd < 0) return;
    const isDirectory = fstatSync(fd).isDirectory();
    at.close(fd);
    if (isDirectory && entry.type === 'directory') return;
    if (isDirectory || entry.type === 'directory') {
      const [there, here] = isDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
      const shown = (text: string) => JSON.stringify(Buffer.from(text, 'latin1').toString());
      throw new GantryError(
        'ERR_CONFLICT',
        `cannot overwrite ${there} ${shown(`/${path}`)} with ${here} ${shown(entry.name)}`,
      );
    }
    check(at.unlink(parent, base, 0), 'unlink', path);
  }

  #makeDirectory(entry: TarEntry, path: string, parent: number, base: Uint8Array): void {
    if (at.mkdir(parent, base, 0o700) < 0 && errno() !== E.EEXIST) throw syscallError('mkdir', path);
    const fd = check(at.open(parent, base, DIRECTORY, 0), 'open', path);
    try {
      this.#own(fd, entry);
    } finally {
      at.close(fd);
    }
    this.#times.set(path, entry);
  }

  #link(entry: TarEntry, parent: number, base: Uint8Array, path: string): void {
    const source = this.#inside(cleanPath(entry.linkname));
    const from = this.#options.rooted.find(parentOf(source));
    const name = cstring(Buffer.from(baseOf(source), 'latin1'));
    check(from < 0 ? -1 : at.link(from, name, parent, base, 0), 'link', path);
  }

  #owner(entry: TarEntry): { readonly uid: number; readonly gid: number } {
    return this.#options.owner ?? entry;
  }

  /** The mode last: chown clears set-id bits. */
  #own(fd: number, entry: TarEntry): void {
    const { uid, gid } = this.#owner(entry);
    fchownSync(fd, uid, gid);
    fchmodSync(fd, entry.mode);
  }

  #finishByName(entry: TarEntry, parent: number, base: Uint8Array, path: string): void {
    const { uid, gid } = this.#owner(entry);
    check(at.chown(parent, base, uid, gid, AT_SYMLINK_NOFOLLOW), 'chown', path);
    this.#setTimes(parent, base, entry);
  }

  #setTimes(directory: number, name: Uint8Array, entry: TarEntry): void {
    check(at.utimens(directory, name, times(entry), AT_SYMLINK_NOFOLLOW), 'utimens', entry.name);
  }
}

function times({ mtime, mtimeNanos }: TarEntry): BigInt64Array {
  const [seconds, nanos] = [BigInt(mtime), BigInt(mtimeNanos)];
  return new BigInt64Array([seconds, nanos, seconds, nanos]);
}
