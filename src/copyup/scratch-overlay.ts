/**
 * An overlay mount for a measurement, which no end of the process can leave behind: it is taken out of the tree as soon as
 * it is mounted, and from then on lives by its descriptor alone.
 *
 *   index=off,metacopy=off,redirect_dir=off,lowerdir=/proc/self/fd/20/l1:/proc/self/fd/20/l2,upperdir=…,workdir=…
 *
 * Directories are named through a descriptor of their parent: 127 of them fit in one page, whatever the path.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';
import { O } from '../core/fsops/at.js';
import { MNT_DETACH, mount, umount } from '../core/fsops/mount.js';

export interface ScratchOptions {
  /** Holds all that is named below. */
  readonly directory: string;
  /** Names, topmost first. */
  readonly lowers: readonly string[];
  /** A name of which nothing is there yet. */
  readonly upper: string;
  readonly metacopy?: boolean;
  readonly volatile?: boolean;
}

export interface ScratchOverlay {
  /** The merged view: an O_PATH descriptor, and the same as a path. */
  readonly fd: number;
  readonly path: string;
  /** The upper directory. */
  readonly upper: string;
  close(): void;
}

const DIRECTORY = O.PATH | O.DIRECTORY | O.CLOEXEC;

/** ERR_UNSUPPORTED where this user or this file system cannot have one. */
export function scratchOverlay(options: ScratchOptions): ScratchOverlay {
  const { directory, lowers, upper, metacopy = false, volatile = false } = options;
  const [target, work] = [join(directory, 'merged'), `${upper}-work`];
  for (const name of [upper, work]) mkdirSync(join(directory, name));
  mkdirSync(target, { recursive: true });
  const base = openSync(directory, DIRECTORY);
  try {
    const at = (name: string): string => `/proc/self/fd/${base}/${name}`;
    const data = [
      // a metacopy that was renamed could not be found again without redirects, so the kernel wants both
      metacopy ? 'index=off,metacopy=on,redirect_dir=on' : 'index=off,metacopy=off,redirect_dir=off',
      `lowerdir=${lowers.map(at).join(':')}`,
      `upperdir=${at(upper)},workdir=${at(work)}`,
      ...(volatile ? ['volatile'] : []),
    ].join(',');
    mount({ source: 'overlay', target, type: 'overlay', data });
    const fd = openSync(target, DIRECTORY);
    umount(target, MNT_DETACH);
    return { fd, path: `/proc/self/fd/${fd}`, upper: join(directory, upper), close: () => closeSync(fd) };
  } catch (cause) {
    const code = errnoCode(cause);
    if (code !== 'EPERM' && code !== 'EINVAL' && code !== 'ENODEV') throw cause;
    const message = `no overlay can be mounted over ${directory}: ${code}`;
    const hint = code === 'EPERM' ? 'run it as root' : 'choose a directory on another file system: --dir';
    throw new GantryError('ERR_UNSUPPORTED', message, { hint }, { cause });
  } finally {
    closeSync(base);
  }
}
