/**
 * What keeps the files of layers, as the engine sees it. overlay2 is the one driver today; an erofs driver (a layer is
 * one tar plus an index, mounted on use) must fit behind the same words, so nothing above this interface builds a
 * path inside a driver's directories.
 *
 * Words
 *   cache id     names what the driver keeps for one layer; 64 random hex digits. Not a digest.
 *   staged       a private directory that `prepare` made ready and a worker fills. No cache id refers to it yet.
 *   published    a layer: whole, read-only, its parent fixed for ever.
 *   write layer  a container's own changes (`<container id>`) over an init layer (`<container id>-init`), which
 *                holds mount points so that they never show up as changes of the container.
 *   mounted      the merged view of a layer or write layer stands at the path that `mount` gave.
 *
 * Legal moves
 *
 *   prepare ──► staged ──publish──► published ──remove──► (gone)
 *                                     │  ▲ parent of
 *                                     ├──┴─ publish of the next layer
 *                                     └──── createContainer ──► write layer ⇄ mount/unmount ──removeContainer──► (gone)
 *
 *   - publish needs a published parent; parents are published first, but staged layers are filled in any order.
 *   - publish under a cache id that exists fails. A failure leaves the staged directory as it was, save that
 *     settled paths stay settled (settling twice is settling once).
 *   - remove of a layer that another layer or container stands on is the caller's mistake and is not checked here;
 *     the engine counts references. remove and removeContainer of what is not there do nothing.
 *   - mount of what is mounted gives the same path; unmount of what is not mounted does nothing. So both can
 *     be repeated after a crash. Who mounts and unmounts a write layer holds the container's lock.
 *
 * Example: an image of two layers A, B, and a container C.
 *
 *   prepare(dirB); prepare(dirA)                       two workers unpack at the same time
 *   publish({ id: a, staged: dirA, pending })          A was ready second; B waits for it
 *   publish({ id: b, staged: dirB, parent: a, pending })
 *   createContainer(C, b)                              C-init over b over a, C over C-init
 *   root = mount(C); … ; unmount(C); removeContainer(C)
 *   remove(b); remove(a)
 */
import type { CacheID, ContainerID } from '../core/ids.js';

/** What an unpacked layer still lacks, because it was unpacked without its parent. Raw bytes as latin1, no leading slash. */
export interface PendingPaths {
  /** Directories that hold entries without one of their own: they take the attributes of the directory they cover. */
  readonly implicitDirs: readonly string[];
  /** Hidden paths; those that hide nothing are dropped. */
  readonly whiteouts: readonly string[];
}

export interface PublishOptions {
  readonly id: CacheID;
  /** The private directory: what `prepare` made there is taken away, anything else in it stays the caller's. */
  readonly staged: string;
  readonly parent?: CacheID;
  readonly pending: PendingPaths;
}

/** Something that is not as the driver left it. */
export interface DriverFault {
  /** Relative to the driver's directory. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  /** The files themselves are gone: links can be mended, this cannot. */
  readonly lost?: boolean;
}

/** `GraphDriver.Data` of docker inspect. A base layer has no LowerDir. */
export interface GraphDriverData {
  readonly LowerDir?: string;
  readonly MergedDir: string;
  readonly UpperDir: string;
  readonly WorkDir: string;
}

export interface ContainerLayers {
  readonly mountID: CacheID;
  readonly initID: CacheID;
}

export interface MountOptions {
  /** Also when nothing says yet that the layer is one to build on. Always so for a layer that `publish` made. */
  readonly readOnly?: boolean;
  /** Skip all syncing of the write layer: for containers whose changes need not survive a power cut. */
  readonly volatile?: boolean;
}

export interface LayerDriver {
  readonly name: 'overlay2';

  /** Makes `diff/`, which a worker fills, in a private directory on the driver's file system. */
  prepare(staged: string): string;
  /** Settles and publishes. ERR_LAYER_INVALID beyond the depth that can be mounted, ERR_CONFLICT for an id in use. */
  publish(options: PublishOptions): Promise<void>;
  /** True when the layer is whole enough to be a parent or to be mounted, and stands on `parent`. */
  has(id: CacheID, parent: CacheID | undefined): boolean;
  /** What is wrong around the files of a layer or write layer that is to stand on `parent`. */
  faults(id: CacheID, parent: CacheID | undefined): DriverFault[];
  /** Puts that right, but for files that are lost. What it stands on comes first. */
  mend(id: CacheID, parent: CacheID | undefined): void;
  /**
   * `publish` for an id that is in use: the damaged files are exchanged for the staged ones in one step, and are in the
   * staged directory afterwards. Links are mended. It must not be mounted, nor what stands on it.
   */
  replace(options: PublishOptions): Promise<void>;
  isMounted(id: CacheID): Promise<boolean>;
  /** What a layer or write layer stands on, top first. ERR_STORE_CORRUPT when its links are damaged. */
  below(id: CacheID): CacheID[];
  remove(id: CacheID): Promise<void>;
  /** Everything the driver keeps, write layers included. */
  list(): CacheID[];
  /** Leftovers beside the directories: links that nothing names. Paths relative to the driver's directory. */
  loose(): string[];
  /** Drops leftovers that only who holds the store alone may touch; tells how many there were. */
  tidy(): number;
  /** The directory that holds a layer's own files. */
  files(id: CacheID): string;
  data(id: CacheID): GraphDriverData;

  /**
   * `top` is the image's top layer; undefined for an image without layers. `visit` gets the root as the container is
   * going to find it, Docker's mount points made, for as long as it takes; it writes nothing there.
   */
  createContainer(
    id: ContainerID,
    top: CacheID | undefined,
    visit?: (merged: string) => void,
  ): Promise<ContainerLayers>;
  /** What `createContainer` makes, or was to make. */
  containerLayers(id: ContainerID): ContainerLayers;
  removeContainer(layers: ContainerLayers): Promise<void>;

  /** The merged view: read-only for a published layer, writable for a write layer. */
  mount(id: CacheID, options?: MountOptions): Promise<string>;
  unmount(id: CacheID): Promise<void>;
}
