/**
 * The directories of a layer that is being unpacked, and what overlayfs needs to know of them. Layers are unpacked
 * without knowing what lies below, so three things are noted here for the commit or for the layer's own end:
 *
 *   implicit   directories that hold entries but have none themselves ('' is the root)
 *   whiteouts  paths hidden from below, each a character device 0:0
 *   opaque     directories that show nothing from below, xattr trusted.overlay.opaque=y
 *
 * A whiteout applies to the layers below only: what this layer has at that path itself stays, and a directory of its
 * own becomes opaque, in whichever order the two come (image-spec layer.md, "Whiteouts").
 */
import { readlinkSync } from 'node:fs';
import { GantryError } from '../core/errors.js';
import { at, O, S_IFCHR } from '../core/fsops/at.js';
import { E, errno, syscallError } from '../core/fsops/libc.js';
import { NameBuffer, RootedDir } from '../core/rooted-dir.js';
import { baseOf, hostile, parentOf, pathInRoot, show } from './entry-path.js';
import { OPAQUE_XATTR } from './whiteout.js';
import { procPath, type XattrSetter } from './xattr-setter.js';

const LINK_DEPTH = 40;
const SELF = Buffer.from('.\0');

export class LayerDirs {
  readonly rooted: RootedDir;
  readonly #xattrs: XattrSetter;
  readonly #name = new NameBuffer();
  readonly #opaque = new Set<string>();
  readonly implicit = new Set<string>(['']);
  readonly whiteouts = new Set<string>();

  constructor(diff: string, xattrs: XattrSetter) {
    this.rooted = new RootedDir(diff);
    this.#xattrs = xattrs;
  }

  /** The descriptor of the directory that holds `path`, made with what leads to it where it is missing. */
  parent(path: string): number {
    return this.make(parentOf(path));
  }

  /** The descriptor of a directory, made where the layer has no entry for it. ERR_LAYER_INVALID when it cannot be one. */
  make(path: string, links = 0): number {
    const found = this.rooted.find(path);
    if (found >= 0) return found;
    if (links > LINK_DEPTH) throw hostile('too many symlinks lead to it', path);
    const parent = this.make(parentOf(path), links);
    const name = this.#name.set(baseOf(path));
    if (at.mkdir(parent, name, 0o755) < 0) {
      if (errno() !== E.EEXIST) throw syscallError('mkdir', show(path));
      if (this.dropWhiteout(path, parent, name)) {
        if (at.mkdir(parent, name, 0o755) < 0) throw syscallError('mkdir', show(path));
        this.makeOpaque(path);
      } else {
        // A symlink of this layer whose target is a directory of a layer below: its place in this layer is made.
        this.make(linkTarget(path, procPath(parent, name)), links + 1);
        return this.#made(path);
      }
    }
    this.implicit.add(path);
    return this.#made(path);
  }

  /** What was made is found by its name, unless a link like a → a/../b led there: nowhere, to the kernel. */
  #made(path: string): number {
    const fd = this.rooted.find(path);
    if (fd < 0) throw hostile('symlinks lead nowhere', path);
    return fd;
  }

  /** True when `name` in an open directory is a directory itself and not a link to one. */
  isDirectory(parent: number, name: Uint8Array): boolean {
    const fd = at.open(parent, name, O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0);
    if (fd >= 0) at.close(fd);
    return fd >= 0;
  }

  /** Hides `path` of the layers below. */
  hide(path: string): void {
    const parent = this.parent(path);
    const name = this.#name.set(baseOf(path));
    if (at.mknod(parent, name, S_IFCHR, 0) === 0) {
      this.whiteouts.add(path);
      return;
    }
    if (errno() !== E.EEXIST) throw syscallError('mknod', show(path));
    if (this.isDirectory(parent, name)) this.makeOpaque(path);
  }

  /** Removes the whiteout at `path` to make room for an entry; false when there is none. */
  dropWhiteout(path: string, parent: number, name: Uint8Array): boolean {
    if (!this.whiteouts.delete(path)) return false;
    if (at.unlink(parent, name, 0) < 0) throw syscallError('unlink', show(path));
    return true;
  }

  makeOpaque(path: string): void {
    // By its descriptor: the path may be that of a symlink to it.
    this.#xattrs.force(this.rooted.find(path), SELF, OPAQUE_XATTR, 'y', path);
    this.#opaque.add(path);
  }

  /** A directory was removed: what was noted of it is void. */
  removed(path: string): void {
    this.implicit.delete(path);
    this.#opaque.delete(path);
  }

  /**
   * Removes whiteouts inside opaque directories: readdir of a directory that is not merged lists them, though no
   * lookup finds them (fs/overlayfs/readdir.c).
   */
  dropIdleWhiteouts(): void {
    for (const path of this.whiteouts) {
      if (!this.#insideOpaque(path)) continue;
      this.dropWhiteout(path, this.parent(path), this.#name.set(baseOf(path)));
    }
  }

  #insideOpaque(path: string): boolean {
    for (let dir = parentOf(path); ; dir = parentOf(dir)) {
      if (this.#opaque.has(dir)) return true;
      if (dir === '') return false;
    }
  }
}

function linkTarget(path: string, place: Buffer): string {
  let target: string;
  try {
    target = readlinkSync(place, 'latin1');
  } catch (cause) {
    const message = `layer entry below ${show(path)}: not a directory`;
    throw new GantryError('ERR_LAYER_INVALID', message, {}, { cause });
  }
  return pathInRoot(target.startsWith('/') ? target : `${parentOf(path)}/${target}`);
}
