/**
 * `docker cp`: a tar from one tree into another, each taken inside its root. What is copied to where:
 *
 *   source            destination          becomes
 *   file              is not there         the destination (which may not end in `/`)
 *   file              file                 the destination, replaced
 *   file, directory   directory            an entry of it, under the source's name
 *   directory         is not there         the destination
 *   directory/.       directory            its contents
 *   directory         file                 an error
 *
 * A link that the source's path ends in is copied as a link, unless `follow`.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { posix } from 'node:path';
import { GantryError } from '../core/errors.js';
import { O } from '../core/fsops/at.js';
import { openInRoot, procPath, realPathInRoot } from '../core/fsops/in-root.js';
import { RootedDir } from '../core/rooted-dir.js';
import { packTree } from '../core/tar/pack.js';
import { TAR_END } from '../core/tar/writer.js';
import { ContainerStore } from '../runtime/container-store.js';
import { tmpfsMounts } from '../runtime/mount-points.js';
import { type ContainerRoot, openContainerRoot } from './container-root.js';
import { CopyWriter } from './copy-writer.js';
import type { Store } from './store.js';

export interface ContainerPath {
  readonly container: string;
  /** Taken from the container's root. */
  readonly path: string;
}

export interface CopyOptions {
  /** Keep user and group; else root's in a container, the caller's on the host. */
  readonly archive?: boolean;
  /** Copy what a link at the source's end leads to. */
  readonly follow?: boolean;
}

/** A tree to copy from or to: a container's root or the host's. */
interface Tree {
  readonly fd: number;
  /** Set for a container's. */
  readonly root?: ContainerRoot;
  missing(path: string): GantryError;
}

interface Source {
  /** O_PATH */
  readonly fd: number;
  readonly name: string;
  readonly isDirectory: boolean;
  /** The path ended in `/.`. */
  readonly contents: boolean;
}

/** Gives the bytes of the tar. ERR_NOT_FOUND, ERR_CONFLICT, and what CopyWriter throws. */
export const copyFromContainer = (
  store: Store,
  from: ContainerPath,
  to: string,
  options: CopyOptions = {},
): Promise<number> =>
  withContainer(store, from.container, (container) =>
    withHost((host) => {
      const owner = { uid: process.getuid!(), gid: process.getgid!() };
      return withSource(container, from.path, options, (source) => {
        const { into, as } = destination(host, to, source);
        // Rooted in the directory itself: what the container says cannot lead out of it.
        const rooted = new RootedDir(posix.join('/', Buffer.from(into, 'latin1').toString()));
        return write(packTree(source.fd, as), {
          rooted,
          into: '',
          ...(options.archive ? {} : { owner }),
        });
      });
    }),
  );

/** The other way. */
export const copyToContainer = (
  store: Store,
  from: string,
  to: ContainerPath,
  options: CopyOptions = {},
): Promise<number> =>
  withContainer(store, to.container, (container) =>
    withHost((host) =>
      withSource(host, from, options, (source) => {
        const { into, as } = destination(container, to.path, source);
        checkWritable(store, container, into);
        return write(packTree(source.fd, as), {
          rooted: new RootedDir(procPath(container.fd).toString()),
          into,
          ...(options.archive ? {} : { owner: { uid: 0, gid: 0 } }),
        });
      }),
    ),
  );

/** `cp CONTAINER:PATH -`: a whole tar to `onBytes`, each view of which is valid until the promise settles. */
export const copyToStream = (
  store: Store,
  from: ContainerPath,
  options: CopyOptions,
  onBytes: (bytes: Buffer) => Promise<void>,
): Promise<void> =>
  withContainer(store, from.container, (container) =>
    withSource(container, from.path, options, async ({ fd, contents, name }) => {
      for (const bytes of packTree(fd, contents ? '' : name)) await onBytes(bytes);
      await onBytes(TAR_END);
    }),
  );

/** `cp - CONTAINER:DIRECTORY`: a tar is unpacked there, with its users and groups. */
export const copyFromStream = (
  store: Store,
  tar: AsyncIterable<Buffer>,
  to: ContainerPath,
): Promise<number> =>
  withContainer(store, to.container, (container) => {
    const fd = openInRoot(container.fd, bytesOf(to.path), 'follow');
    if (fd === undefined) throw container.missing(to.path);
    try {
      if (!fstatSync(fd).isDirectory()) {
        const message = `destination "${to.container}:${to.path}" must be a directory`;
        throw new GantryError('ERR_INVALID_ARGUMENT', message);
      }
      const into = realPathInRoot(container.fd, fd);
      checkWritable(store, container, into);
      return write(tar, { rooted: new RootedDir(procPath(container.fd).toString()), into });
    } finally {
      closeSync(fd);
    }
  });

async function write(
  tar: Iterable<Buffer> | AsyncIterable<Buffer>,
  options: ConstructorParameters<typeof CopyWriter>[0],
): Promise<number> {
  const writer = new CopyWriter(options);
  const umask = process.umask(0);
  try {
    let bytes = 0;
    for await (const piece of tar) {
      writer.write(piece);
      bytes += piece.length;
    }
    writer.finish();
    return bytes;
  } finally {
    process.umask(umask);
    writer.close();
  }
}

async function withContainer<T>(
  store: Store,
  what: string,
  act: (tree: Tree & { readonly root: ContainerRoot }) => T | Promise<T>,
): Promise<T> {
  const root = await openContainerRoot(store, what);
  try {
    const missing = (path: string) =>
      new GantryError('ERR_NOT_FOUND', `Could not find the file ${path} in container ${what}`);
    return await act({ fd: root.fd, root, missing });
  } finally {
    await root.close();
  }
}

async function withHost<T>(act: (tree: Tree) => Promise<T>): Promise<T> {
  const fd = openSync('/', O.PATH | O.DIRECTORY | O.CLOEXEC);
  try {
    const missing = (path: string) =>
      new GantryError('ERR_NOT_FOUND', `lstat ${path}: no such file or directory`);
    return await act({ fd, missing });
  } finally {
    closeSync(fd);
  }
}

const bytesOf = (path: string): Buffer => Buffer.from(path);
const isContents = (path: string): boolean => posix.basename(path) === '.' || /^\/+$/.test(path);

/** Paths of the host are made absolute by the caller of the process: here by its working directory. */
const absolute = (tree: Tree, path: string): string =>
  tree.root === undefined ? posix.resolve(path) : posix.resolve('/', path);

async function withSource<T>(
  tree: Tree,
  path: string,
  { follow = false }: CopyOptions,
  act: (source: Source) => Promise<T>,
): Promise<T> {
  const how = follow || /\/\.?$/.test(path) ? 'follow' : 'look';
  const fd = openInRoot(tree.fd, bytesOf(absolute(tree, path)), how);
  if (fd === undefined) throw tree.missing(path);
  try {
    const isDirectory = fstatSync(fd).isDirectory();
    if (!isDirectory && /\/\.?$/.test(path)) throw notDirectory(path);
    const name = bytesOf(posix.basename(absolute(tree, path))).toString('latin1');
    return await act({ fd, name, isDirectory, contents: isContents(path) });
  } finally {
    closeSync(fd);
  }
}

const notDirectory = (path: string): GantryError =>
  new GantryError('ERR_INVALID_ARGUMENT', `${path}: not a directory`);

/** The directory to write in (its real path inside the root, latin1), and the source's name there. */
function destination(tree: Tree, path: string, source: Source): { into: string; as: string } {
  const wantsDirectory = /\/\.?$/.test(path);
  const full = absolute(tree, path);
  const fd = openInRoot(tree.fd, bytesOf(full), 'follow');
  if (fd !== undefined) {
    try {
      const real = realPathInRoot(tree.fd, fd);
      if (fstatSync(fd).isDirectory()) return { into: real, as: source.contents ? '' : source.name };
      if (source.isDirectory) throw new GantryError('ERR_INVALID_ARGUMENT', 'cannot copy directory');
      if (wantsDirectory) throw notDirectory(path);
      return {
        into: real.slice(0, Math.max(0, real.lastIndexOf('/'))),
        as: real.slice(real.lastIndexOf('/') + 1),
      };
    } finally {
      closeSync(fd);
    }
  }
  const parent = openInRoot(tree.fd, bytesOf(posix.dirname(full)), 'follow');
  if (parent === undefined) {
    if (tree.root !== undefined) throw tree.missing(path);
    const message = `invalid output path: directory "${posix.dirname(full)}" does not exist`;
    throw new GantryError('ERR_NOT_FOUND', message);
  }
  try {
    if (!source.isDirectory && wantsDirectory) throw new GantryError('ERR_NOT_FOUND', 'no such directory');
    const as = bytesOf(posix.basename(full)).toString('latin1');
    return { into: realPathInRoot(tree.fd, parent), as };
  } finally {
    closeSync(parent);
  }
}

/** Docker's words for a place that the container was given to read only. */
function checkWritable(store: Store, { root }: { readonly root: ContainerRoot }, into: string): void {
  const { MountPoints, ID } = root.record;
  const hostConfig = new ContainerStore(store.root).hostConfig(ID);
  const tmpfs = tmpfsMounts(hostConfig).map(({ destination: at }) => ({ Destination: at, RW: true }));
  const [mount] = [...Object.values(MountPoints), ...tmpfs]
    .filter(({ Destination }) => `/${into}/`.startsWith(`${Destination}/`))
    .sort((a, b) => b.Destination.length - a.Destination.length);
  if (mount?.RW ?? !hostConfig.ReadonlyRootfs) return;
  const what = mount === undefined ? 'container rootfs' : 'mounted volume';
  throw new GantryError('ERR_CONFLICT', `${what} is marked read-only`);
}
