/**
 * The store: everything under one root, put together. DESIGN's layout; this file is where its paths are made.
 *
 *   <root>/overlay2/                          the layer driver's
 *   <root>/image/overlay2/{imagedb,layerdb,distribution}/, repositories.json
 *   <root>/gantry/tmp/                        directories that are being filled or taken away
 *   <root>/gantry/ready/<chain hex>/          verified layers whose parent is not in yet
 *   <root>/gantry/durability/<chain hex>      boot id of a commit that is not known to be on disk
 *   <root>/gantry/locks/store, tags, {layers,blobs,containers,images}/<name>
 *
 * Opening costs nothing and makes nothing: a root that is not there reads as an empty store. What needs system calls
 * beyond Node's is loaded by the call that needs it, so listing images loads no native code.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errnoCode } from '../core/errors.js';
import type { Lock, LockOptions } from '../core/lock.js';
import { DistributionMaps } from '../image/distribution.js';
import { ImageDB } from '../image/imagedb.js';
import { TagStore } from '../image/tags.js';
import { LayerDB } from '../layer/layerdb.js';
import type { LayerDriver } from '../overlay/driver.js';
import { Overlay2 } from '../overlay/overlay2.js';
import { readBootID } from './boot-id.js';
import { LayerStore } from './layer-store.js';

export type LockKind = 'layers' | 'blobs' | 'containers' | 'images';

export interface StoreOptions {
  /** The kernel's boot id by default. */
  readonly bootID?: string;
}

export class Store {
  readonly root: string;
  readonly bootID: string;
  readonly images: ImageDB;
  readonly tags: TagStore;
  readonly distribution: DistributionMaps;
  readonly driver: LayerDriver;
  readonly layers: LayerStore;

  constructor(root: string, options: StoreOptions = {}) {
    this.root = resolve(root);
    const docker = join(this.root, 'image', 'overlay2');
    const tmp = join(this.root, 'gantry', 'tmp');
    const bootID = options.bootID ?? readBootID();
    this.bootID = bootID;
    this.images = new ImageDB(join(docker, 'imagedb'));
    this.tags = new TagStore(join(docker, 'repositories.json'), join(this.root, 'gantry', 'locks', 'tags'));
    this.distribution = new DistributionMaps(join(docker, 'distribution'));
    this.driver = new Overlay2({ home: join(this.root, 'overlay2'), tmp, bootID });
    this.layers = new LayerStore({
      directory: join(this.root, 'gantry'),
      db: new LayerDB(join(docker, 'layerdb')),
      driver: this.driver,
      bootID,
      lock: (chainHex, lockOptions) => this.lockNamed('layers', chainHex, lockOptions),
      tryLock: (chainHex) => this.tryLockNamed('layers', chainHex),
    });
  }

  /**
   * The store lock: shared while a command relies on what it saw (a pull, a run being set up), exclusive for whoever
   * removes what nothing refers to. Taken before any other lock.
   */
  async lock(mode: 'shared' | 'exclusive', options: LockOptions = {}): Promise<Lock> {
    return this.#lock(join(this.root, 'gantry', 'locks', 'store'), { ...options, mode });
  }

  /** `name` is a hex id or another name without `/`. */
  lockPath(kind: LockKind, name: string): string {
    return join(this.root, 'gantry', 'locks', kind, name);
  }

  lockNamed(kind: LockKind, name: string, options: LockOptions = {}): Promise<Lock> {
    return this.#lock(this.lockPath(kind, name), options);
  }

  /** The lock, or undefined when somebody holds it. */
  async tryLockNamed(kind: LockKind, name: string): Promise<Lock | undefined> {
    const { tryLock } = await import('../core/lock.js');
    const path = this.lockPath(kind, name);
    return this.#inLockDirectory(path, async () => tryLock(path));
  }

  async #lock(path: string, options: LockOptions): Promise<Lock> {
    const { lock } = await import('../core/lock.js');
    return this.#inLockDirectory(path, () => lock(path, options));
  }

  /** Makes it where it is missing. The root is 0710: set-id files in layers are out of reach of the host's users (CVE-2021-41091). */
  async #inLockDirectory<T>(path: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
    mkdirSync(this.root, { recursive: true, mode: 0o710 });
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return act();
  }
}

export const openStore = (root: string, options: StoreOptions = {}): Store => new Store(root, options);
