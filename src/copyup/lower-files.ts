/** The lower directories of a container, and which of them a copied file came from. */
import { closeSync, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { O } from '../core/fsops/at.js';
import { handleOfFile, openHandle } from '../core/fsops/file-handle.js';
import { procPath } from '../core/fsops/in-root.js';
import { OpenXattrs } from '../core/fsops/xattr.js';
import { openIfShort, placeOf } from './long-paths.js';

export interface LowerFile {
  readonly layer: number;
  /** Raw bytes as latin1, no leading slash. */
  readonly path: string;
  readonly stats: Stats;
  readonly attributes: ReadonlyMap<string, string> | undefined;
}

export class LowerFiles {
  readonly #xattrs = new OpenXattrs();
  readonly #roots: readonly { readonly fd: number; readonly path: string }[];

  /** `directories`: topmost first. */
  constructor(directories: readonly string[]) {
    this.#roots = directories.map((directory) => {
      const fd = openSync(directory, O.RDONLY | O.DIRECTORY | O.CLOEXEC);
      return { fd, path: readlinkSync(procPath(fd), 'latin1') };
    });
  }

  /**
   * What the merged view shows at `path` without the upper directory. With `origin`, the file of that handle: at `path`
   * or, after a rename, wherever it is; undefined when that can no longer be told.
   */
  find(path: string, origin?: Buffer): LowerFile | undefined {
    const name = Buffer.from(path, 'latin1');
    for (const [layer, { fd: root }] of this.#roots.entries()) {
      const fd = openIfShort(root, name, 'look-without-links');
      if (fd === undefined) continue;
      try {
        const stats = fstatSync(fd);
        if (origin === undefined && stats.isCharacterDevice() && stats.rdev === 0) return undefined;
        if (origin === undefined || handleOfFile(fd)?.equals(origin)) {
          return { layer, path, stats, attributes: this.#xattrs.read(fd) };
        }
      } finally {
        closeSync(fd);
      }
    }
    return origin && this.#ofHandle(origin);
  }

  /** The kernel knows a path of an inode only while it has one in its cache. */
  #ofHandle(origin: Buffer): LowerFile | undefined {
    for (const [layer, root] of this.#roots.entries()) {
      const fd = openHandle(root.fd, origin);
      if (fd === undefined) continue;
      try {
        const place = placeOf(fd);
        if (!place?.startsWith(`${root.path}/`)) continue;
        return {
          layer,
          path: place.slice(root.path.length + 1),
          stats: fstatSync(fd),
          attributes: this.#xattrs.read(fd),
        };
      } finally {
        closeSync(fd);
      }
    }
    return undefined;
  }

  close(): void {
    for (const { fd } of this.#roots) closeSync(fd);
  }
}
