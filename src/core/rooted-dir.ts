/**
 * Directories beneath one root, by path, as cached O_PATH descriptors. Every resolution is an openat2 with
 * RESOLVE_IN_ROOT, so no symlink, `..` or absolute target leaves the root, whatever a hostile archive put there.
 * Descriptors are cached, never resolved path strings (CVE-2025-47290): a directory that is replaced afterwards is
 * forgotten by `forget()`.
 */
import { closeSync, openSync } from 'node:fs';
import { at, O, opener, RESOLVE } from './fsops/at.js';
import { E, errno, syscallError } from './fsops/libc.js';

/** Enough for the depth and breadth that tar's order touches; 20 threads stay far below a soft limit of 1024 fds. */
const CACHED = 48;

const NO_DIRECTORY: readonly number[] = [E.ENOENT, E.ENOTDIR, E.ELOOP];

const openDirectory = opener(O.PATH | O.DIRECTORY | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS);

/** A reusable NUL-terminated copy of a latin1 path. */
export class NameBuffer {
  readonly bytes = Buffer.from(new ArrayBuffer(4097));
  set(name: string): Buffer {
    const length = this.bytes.write(name, 0, 4096, 'latin1');
    this.bytes[length] = 0;
    return this.bytes;
  }
}

export class RootedDir {
  readonly root: number;
  readonly #cache = new Map<string, number>();
  readonly #name = new NameBuffer();
  #lastPath = '';
  #lastFd: number;
  #kept = -1;

  constructor(path: string) {
    this.root = openSync(path, O.PATH | O.DIRECTORY | O.CLOEXEC);
    this.#lastFd = this.root;
  }

  /**
   * The descriptor of a directory (latin1 path, '' is the root), or -1 where it is missing, not a directory, or a
   * circle of symlinks.
   */
  find(path: string): number {
    if (path === this.#lastPath) return this.#lastFd;
    let fd = path === '' ? this.root : this.#cache.get(path);
    if (fd === undefined) {
      fd = openDirectory(this.root, this.#name.set(path));
      if (fd < 0) {
        if (NO_DIRECTORY.includes(errno())) return -1;
        throw syscallError('openat2', path);
      }
      if (this.#cache.size >= CACHED) this.#evict();
      this.#cache.set(path, fd);
    }
    this.#lastPath = path;
    this.#lastFd = fd;
    return fd;
  }

  /** Closes the oldest, but never the one handed out last: the caller may still hold it for a call with two names. */
  #evict(): void {
    for (const [path, fd] of this.#cache) {
      if (fd === this.#lastFd) continue;
      this.#cache.delete(path);
      at.close(fd);
      return;
    }
  }

  /**
   * Drops all cached descriptors: something that a path led through was removed or replaced. `keep` is one that the
   * caller still works in; it stays open but is resolved anew next time.
   */
  forget(keep = -1): void {
    for (const fd of this.#cache.values()) if (fd !== keep) at.close(fd);
    if (this.#kept >= 0 && this.#kept !== keep) at.close(this.#kept);
    this.#kept = [...this.#cache.values()].includes(keep) ? keep : -1;
    this.#cache.clear();
    this.#lastPath = '';
    this.#lastFd = this.root;
  }

  close(): void {
    this.forget();
    closeSync(this.root);
  }
}
