/**
 * Layers from the first byte to the last reference: composes layerdb (what is known) with the driver (the files).
 *
 *   stage ──► <root>/gantry/tmp/<cache-id>/{diff/, tar-split.json.gz}        held by flock; a worker fills it
 *   park  ──► <root>/gantry/ready/<chain hex>/{diff/, tar-split.json.gz, receipt.json}   verified; parent may be missing
 *   commit ─► settled, published by the driver, then entered in layerdb
 *
 * park, parked and commit of a chainID are called by who holds `lock(chainID)`. A kill anywhere leaves a directory in
 * tmp or ready, or a driver directory that nothing refers to; never a layerdb entry without its files, in this boot.
 * A damaged layer keeps its cache id: its files are exchanged for the new ones, and what stands on it goes on.
 * For power cuts see durability.ts: each commit leaves a mark before it is entered.
 */
import { basename, join } from 'node:path';
import { type ChainID, chainIDOf, hexOf } from '../core/digest/digest.js';
import { GantryError, isGantryError } from '../core/errors.js';
import { type CacheID, type ContainerID, newCacheID, parseCacheID } from '../core/ids.js';
import type { Lock, LockOptions } from '../core/lock.js';
import { removeTree } from '../core/remove-tree.js';
import type { LayerDB, LayerRecord, Removal } from '../layer/layerdb.js';
import type { LayerReceipt } from '../layer/receipt.js';
import type { LayerDriver } from '../overlay/driver.js';
import { DurabilityMarks } from './durability-marks.js';
import { type ParkedLayer, ParkedLayers, TAR_SPLIT } from './parked-layers.js';

export type { ParkedLayer };

export type Layer = LayerRecord;

export interface Staging {
  readonly cacheID: CacheID;
  /** The private directory; `tar-split.json.gz` goes here. */
  readonly dir: string;
  /** Where the layer's files go. */
  readonly diff: string;
  /** Ends the hold. Called by park and discard. */
  release(): void;
}

export interface LayerStoreOptions {
  /** `<root>/gantry`. */
  readonly directory: string;
  readonly db: LayerDB;
  readonly driver: LayerDriver;
  readonly bootID: string;
  readonly lock: (chainHex: string, options?: LockOptions) => Promise<Lock>;
  readonly tryLock: (chainHex: string) => Promise<Lock | undefined>;
}

export class LayerStore {
  readonly db: LayerDB;
  readonly marks: DurabilityMarks;
  readonly #driver: LayerDriver;
  readonly #tmp: string;
  readonly #parked: ParkedLayers;
  readonly #options: LayerStoreOptions;
  /** Layers that were seen to be damaged inside: not there, to this process, until they are committed again. */
  readonly #distrusted = new Set<ChainID>();

  constructor(options: LayerStoreOptions) {
    this.db = options.db;
    this.#driver = options.driver;
    this.#tmp = join(options.directory, 'tmp');
    this.marks = new DurabilityMarks(join(options.directory, 'durability'));
    this.#parked = new ParkedLayers({
      ready: join(options.directory, 'ready'),
      tmp: this.#tmp,
      bootID: options.bootID,
    });
    this.#options = options;
  }

  /** The layer, when it and all below it are whole (FORMATS E3); else as if it were not there. */
  get(chainID: ChainID): Layer | undefined {
    return this.#stack(chainID)?.[0];
  }

  /** True when the layer itself is whole, whatever is below it. */
  isWhole(chainID: ChainID): boolean {
    const record = this.#distrusted.has(chainID) ? undefined : this.db.get(chainID);
    if (record === undefined) return false;
    const parent = record.parent === undefined ? undefined : this.db.entry(record.parent).cacheID;
    return this.#driver.has(record.cacheID, parent);
  }

  /** From now on `get` does not find it, so that the next commit exchanges its files. */
  distrust(chainID: ChainID): void {
    this.#distrusted.add(chainID);
  }

  /** A container whose mounted stack holds the layer: its files must stay as they are. */
  async mountedBy(chainID: ChainID): Promise<ContainerID | undefined> {
    const { mounts } = this.db;
    for (const container of mounts.list()) {
      const mount = mounts.get(container);
      for (let at = mount?.parent; at !== undefined; at = this.db.entry(at).parent) {
        if (at === chainID && mount && (await this.#driver.isMounted(mount.mountID))) return container;
      }
    }
    return undefined;
  }

  /** Every whole layer, in no order. */
  list(): Layer[] {
    const known = new Map<ChainID, Layer | undefined>();
    return this.db.list().flatMap((chainID) => this.#stack(chainID, known)?.[0] ?? []);
  }

  /** From `chainID` down to the base. ERR_NOT_FOUND when one is missing or damaged. */
  chain(chainID: ChainID): Layer[] {
    const layers = this.#stack(chainID);
    if (layers !== undefined) return layers;
    throw new GantryError('ERR_NOT_FOUND', `layer ${chainID}, or one below it, is not in the store`, {
      hint: 'pull the image again',
    });
  }

  lock(chainID: ChainID, options: LockOptions = {}): Promise<Lock> {
    return this.#options.lock(hexOf(chainID), options);
  }

  tryLock(chainID: ChainID): Promise<Lock | undefined> {
    return this.#options.tryLock(hexOf(chainID));
  }

  /** A private directory for a worker to unpack into, held until park or discard. */
  async stage(): Promise<Staging> {
    const { makeHeldDirectory } = await import('../core/held-directory.js');
    const held = makeHeldDirectory(this.#tmp, newCacheID);
    try {
      return {
        cacheID: parseCacheID(basename(held.path)),
        dir: held.path,
        diff: this.#driver.prepare(held.path),
        release: held.release,
      };
    } catch (error) {
      held.release();
      throw error;
    }
  }

  async discard(staging: Staging): Promise<void> {
    try {
      await removeTree(staging.dir);
    } finally {
      staging.release();
    }
  }

  /** Puts a verified layer aside until its parent is in. It survives this process, not this boot. */
  async park(chainID: ChainID, staging: Staging, receipt: LayerReceipt): Promise<ParkedLayer> {
    const parked = await this.#parked.park(chainID, staging, receipt);
    staging.release();
    return parked;
  }

  /** The layer that was parked in this boot; undefined when there is none or it is not whole. */
  parked(chainID: ChainID): ParkedLayer | undefined {
    return this.#parked.get(chainID);
  }

  dropParked(chainID: ChainID): Promise<void> {
    return this.#parked.drop(chainID);
  }

  listParked(): ChainID[] {
    return this.#parked.list();
  }

  /**
   * Publishes a parked layer over its parent. A whole layer that is there already stays, and ours is dropped.
   * ERR_CONFLICT when the parent is not the one that the chainID was made of.
   */
  async commit(parked: ParkedLayer, parent: Layer | undefined): Promise<Layer> {
    const { chainID, cacheID, receipt, dir } = parked;
    if (chainIDOf(parent?.chainID, receipt.diffID) !== chainID) {
      throw new GantryError(
        'ERR_CONFLICT',
        `layer ${receipt.diffID} over ${parent?.chainID ?? 'nothing'} is not ${chainID}`,
      );
    }
    const existing = this.get(chainID);
    if (existing !== undefined) {
      await this.dropParked(chainID);
      return existing;
    }
    const damaged = await this.#exchangeable(chainID);
    const record = {
      chainID,
      diffID: receipt.diffID,
      ...(parent === undefined ? {} : { parent: parent.chainID }),
      cacheID: damaged ?? cacheID,
      size: receipt.size,
    };
    const files = {
      id: record.cacheID,
      staged: dir,
      ...(parent === undefined ? {} : { parent: parent.cacheID }),
      pending: receipt,
    };
    if (damaged === undefined) {
      await this.remove(chainID);
      await this.#driver.publish(files);
      this.marks.set(chainID, this.#options.bootID);
      this.db.write(record, join(dir, TAR_SPLIT));
    } else {
      this.marks.set(chainID, this.#options.bootID);
      await this.#driver.replace(files);
      this.db.mend(record, join(dir, TAR_SPLIT));
    }
    this.#distrusted.delete(chainID);
    await this.dropParked(chainID);
    return record;
  }

  /** The directory of a damaged layer that is its alone and that nobody has mounted. */
  async #exchangeable(chainID: ChainID): Promise<CacheID | undefined> {
    const { cacheID } = this.db.entry(chainID);
    const others = this.db.list().filter((other) => other !== chainID);
    if (cacheID === undefined || others.some((other) => this.db.entry(other).cacheID === cacheID))
      return undefined;
    return (await this.mountedBy(chainID)) === undefined ? cacheID : undefined;
  }

  /** Takes a layer out: layerdb first, then the files. Nothing may stand on it. Does nothing when it is not there. */
  async remove(chainID: ChainID): Promise<void> {
    const removal = this.db.remove(chainID);
    if (removal !== undefined) await this.#finishRemoval(removal);
    this.marks.drop(chainID);
  }

  /** What the containers' layers are and stand on: not to be removed before them. One with damaged links counts alone. */
  cacheIDsOfContainers(): Set<CacheID> {
    const ids = new Set<CacheID>();
    for (const container of this.db.mounts.list()) {
      const mount = this.db.mounts.get(container);
      if (mount === undefined) continue;
      ids.add(mount.mountID).add(mount.initID);
      try {
        for (const id of this.#driver.below(mount.mountID)) ids.add(id);
      } catch (error) {
        if (!isGantryError(error, 'ERR_STORE_CORRUPT')) throw error;
      }
    }
    return ids;
  }

  /** Driver directories that neither layerdb nor a container knows: what a kill between two renames left. */
  unreferenced(): CacheID[] {
    const known = this.cacheIDsOfContainers();
    for (const chainID of this.db.list()) {
      const { cacheID } = this.db.entry(chainID);
      if (cacheID !== undefined) known.add(cacheID);
    }
    return this.#driver.list().filter((id) => !known.has(id));
  }

  /** Sweeps, then removes them. The caller holds the store lock exclusively: no commit and no container is being made. */
  async removeUnreferenced(): Promise<CacheID[]> {
    await this.sweep();
    this.db.clearTransactions();
    const ids = this.unreferenced();
    for (const id of ids) await this.#driver.remove(id);
    this.#driver.tidy();
    return ids;
  }

  /** Ends what killed processes began, and drops what they left. Safe beside any number of live processes. */
  async sweep(): Promise<void> {
    const { sweepDirectories } = await import('../core/held-directory.js');
    await sweepDirectories(this.#tmp, (name) => /^[0-9a-f]{64}$/.test(name) || name.includes('-removing'));
    for (const removal of this.db.unfinishedRemovals()) await this.#finishRemoval(removal);
    for (const chainID of [...this.db.transactions(), ...this.listParked()]) {
      const held = await this.tryLock(chainID);
      if (held === undefined) continue;
      try {
        this.db.dropTransaction(chainID);
        if (this.parked(chainID) === undefined) await this.dropParked(chainID);
      } finally {
        held.release();
      }
    }
  }

  /** The files stay while a container stands on them: its stack must go on working; they are `unreferenced` later. */
  async #finishRemoval({ cacheID, finish }: Removal): Promise<void> {
    if (cacheID !== undefined && !this.cacheIDsOfContainers().has(cacheID))
      await this.#driver.remove(cacheID);
    finish();
  }

  /** Whole layers from `chainID` down, or undefined. `known` remembers answers between calls. */
  #stack(chainID: ChainID, known = new Map<ChainID, Layer | undefined>()): Layer[] | undefined {
    const records: Layer[] = [];
    for (let at: ChainID | undefined = chainID; at !== undefined; ) {
      const record: Layer | undefined = known.has(at) ? known.get(at) : this.db.get(at);
      if (record === undefined || this.#distrusted.has(at)) break;
      records.push(record);
      at = record.parent;
    }
    const complete = records.length > 0 && records.at(-1)?.parent === undefined;
    const whole =
      complete &&
      records.every(
        (record, index) =>
          known.has(record.chainID) || this.#driver.has(record.cacheID, records[index + 1]?.cacheID),
      );
    known.set(chainID, whole ? records[0] : undefined);
    return whole ? records : undefined;
  }
}
