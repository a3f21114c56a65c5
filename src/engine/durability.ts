/**
 * Crash rule for layers (DESIGN, "The store"): files of a layer are not synced one by one. Instead
 *
 *   commit              writes gantry/durability/<chain hex> = the kernel's boot id, then enters the layer
 *   settleDurability    later, in any command: one syncfs, then the marks of this boot that were there before it go
 *   assertUsable        before first use: a layer with a mark of another boot is read again against its tar-split
 *
 * Invariant: a layer without a mark is on disk. The mark itself needs no sync: it is made before the entry in layerdb is
 * renamed, and a journaling file system keeps that order; one that lost its content counts as of another boot.
 */
import type { ChainID } from '../core/digest/digest.js';
import { GantryError, isGantryError } from '../core/errors.js';
import type { Layer } from './layer-store.js';
import type { Store } from './store.js';

/** By then the kernel's own write-back (30 s after a page was dirtied) has done nearly all the work of syncfs. */
const SETTLED_AFTER_MS = 45_000;

export interface DurabilityOptions {
  readonly now?: number;
  /** Milliseconds; marks younger than that are left for a later command. 0 for a command that must promise durability. */
  readonly olderThan?: number;
}

/** Returns how many layers are durable now that were not before. Without old marks it costs one readdir. */
export async function settleDurability(store: Store, options: DurabilityOptions = {}): Promise<number> {
  const before = (options.now ?? Date.now()) - (options.olderThan ?? SETTLED_AFTER_MS);
  const due = store.layers.marks.list().filter((mark) => mark.bootID === store.bootID && mark.time <= before);
  if (due.length === 0) return 0;
  const { syncFileSystem } = await import('../core/fsops/sync.js');
  syncFileSystem(store.root);
  for (const { chainID } of due) store.layers.marks.drop(chainID);
  return due.length;
}

/**
 * Makes sure that a layer and all below it can be trusted to be what was verified. ERR_STORE_CORRUPT when a layer
 * does not pass: then it and all layers above it have been dropped, and a pull brings them back.
 */
export async function assertUsable(store: Store, top: ChainID): Promise<void> {
  for (const layer of store.layers.chain(top).reverse()) {
    const mark = store.layers.marks.get(layer.chainID);
    if (mark === undefined || mark.bootID === store.bootID) continue;
    await recheck(store, layer);
    store.layers.marks.drop(layer.chainID); // what was just read from the disk is on the disk
  }
}

/**
 * Layers of before a crash are checked before new ones are put on them, base first. One that fails is not there to who
 * fetches with this store: it alone is fetched again, and what stands on it goes on.
 */
export async function distrustUnusable(store: Store, chain: readonly ChainID[]): Promise<void> {
  for (const chainID of chain) {
    const mark = store.layers.marks.get(chainID);
    if (mark === undefined || mark.bootID === store.bootID || !store.layers.isWhole(chainID)) continue;
    if ((await damageOf(store, chainID)) === undefined) store.layers.marks.drop(chainID);
    else store.layers.distrust(chainID);
  }
}

async function recheck(store: Store, { chainID }: Layer): Promise<void> {
  const cause = await damageOf(store, chainID);
  if (cause === undefined) return;
  const dropped = await dropWithAbove(store, chainID);
  throw new GantryError(
    'ERR_STORE_CORRUPT',
    `layer ${chainID} was damaged when the machine went down: ${cause.message}`,
    { chainID, dropped, hint: 'pull the image again: only the damaged layers are fetched' },
    { cause },
  );
}

/** What a reading of all its files against tar-split finds. */
async function damageOf(store: Store, chainID: ChainID): Promise<GantryError | undefined> {
  const { assembleTar } = await import('../layer/tar-split-assembler.js');
  const { createCrc64 } = await import('../core/digest/crc64.js');
  const { cacheID } = store.layers.db.entry(chainID);
  try {
    await assembleTar({
      tarSplit: store.layers.db.tarSplit(chainID),
      files: store.driver.files(cacheID!),
      crc: await createCrc64(),
      sink: () => {},
    });
    return undefined;
  } catch (error) {
    if (!isGantryError(error, 'ERR_STORE_CORRUPT')) throw error;
    return error;
  }
}

/** Topmost first, so that a kill leaves no layer without its parent. */
async function dropWithAbove(store: Store, chainID: ChainID): Promise<ChainID[]> {
  const { db } = store.layers;
  const depthOver = (at: ChainID | undefined, depth = 0): number =>
    at === undefined ? -1 : at === chainID ? depth : depthOver(db.get(at)?.parent, depth + 1);
  const affected = db
    .list()
    .map((id) => ({ id, depth: depthOver(id) }))
    .filter(({ depth }) => depth >= 0)
    .sort((a, b) => b.depth - a.depth);
  for (const { id } of affected) {
    const lock = await store.layers.lock(id);
    try {
      await store.layers.remove(id);
    } finally {
      lock.release();
    }
  }
  return affected.map(({ id }) => id);
}
