/**
 * Puts right what a check found, with the store held exclusively:
 *
 *   layerdb's small files   from what images say
 *   links                   from the chain of layers
 *   damaged layers          fetched again, verified, exchanged in place (LayerStore.commit)
 *   image configs           fetched again
 *   leftovers               removed, last: until all layers are whole an orphan may be one's lost directory
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ChainID, ImageID } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { sweepDirectories } from '../core/held-directory.js';
import type { CacheID } from '../core/ids.js';
import { tarSizeOf } from '../layer/layer-blob.js';
import { ContainerStore } from '../runtime/container-store.js';
import { adoptableDirectory } from './adopt-directory.js';
import { containerIDs, mountOf } from './fsck-containers.js';
import type { Problem } from './fsck-problem.js';
import { refetchConfig, refetchLayers } from './fsck-refetch.js';
import { type LayerOrigin, layerOrigins } from './layer-origins.js';
import { usedLayers } from './layer-use.js';
import type { Pool } from './pool.js';
import type { PullEvent } from './pull-events.js';
import type { Store } from './store.js';

export interface RepairOptions {
  readonly hash: HashBackend;
  readonly signal: AbortSignal;
  readonly onFetch: (event: PullEvent) => void;
}

/** Why a problem could not be repaired, by problem. Throws ERR_CANCELED, ERR_NO_SPACE, ERR_SYSCALL. */
export async function repairStore(
  store: Store,
  pool: Pool,
  problems: readonly Problem[],
  options: RepairOptions,
): Promise<Map<Problem, string>> {
  const reasons = new Map<Problem, string>();
  const { images } = store.images.all();
  for (const id of imagesToFetch(problems)) {
    const reason = await refetchConfig(store, id, options);
    if (reason !== undefined) {
      for (const problem of problems)
        if (problem.remedy.kind === 'config' && problem.remedy.imageID === id) reasons.set(problem, reason);
    }
  }
  const origins = layerOrigins(store, images);
  const used = usedLayers(store, images);
  const wanted = new Map<ChainID, boolean>();
  for (const { remedy } of problems) {
    if (remedy.kind === 'layer')
      wanted.set(remedy.chainID, remedy.fetch || wanted.get(remedy.chainID) === true);
  }
  const failed = new Map<ChainID, string>();
  const fetch: ChainID[] = [];
  for (const chainID of inOrder(origins, wanted)) {
    const origin = origins.get(chainID);
    if (origin === undefined) {
      if (used.has(chainID)) failed.set(chainID, 'nothing tells what it was');
      else await store.layers.remove(chainID);
      continue;
    }
    const whole = await mendEntry(store, chainID, origin);
    if (wanted.get(chainID) || !whole) fetch.push(chainID);
  }
  mendLinks(store, origins);
  if (fetch.length > 0) {
    for (const [chainID, reason] of await refetchLayers(store, pool, fetch, origins, options)) {
      failed.set(chainID, reason);
    }
    mendLinks(store, origins);
  }
  for (const problem of problems) {
    const { remedy } = problem;
    const reason = remedy.kind === 'layer' ? failed.get(remedy.chainID) : undefined;
    if (reason !== undefined) reasons.set(problem, reason);
    if (remedy.kind === 'remove') rmSync(join(store.root, remedy.path), { force: true });
  }
  if (failed.size === 0) await sweep(store);
  return reasons;
}

const imagesToFetch = (problems: readonly Problem[]): Set<ImageID> =>
  new Set(problems.flatMap(({ remedy }) => (remedy.kind === 'config' ? [remedy.imageID] : [])));

/** A parent before what stands on it; what nobody knows an origin of, last. */
function inOrder(
  origins: ReadonlyMap<ChainID, LayerOrigin>,
  wanted: ReadonlyMap<ChainID, boolean>,
): ChainID[] {
  const known = [...origins.keys()].filter((chainID) => wanted.has(chainID));
  return [...known, ...[...wanted.keys()].filter((chainID) => !origins.has(chainID))];
}

/** False when its files must come from elsewhere. */
async function mendEntry(store: Store, chainID: ChainID, origin: LayerOrigin): Promise<boolean> {
  const { db } = store.layers;
  const entry = db.entry(chainID);
  const tarSplit = !entry.faults.some(({ file }) => file === 'tar-split.json.gz');
  const cacheID = entry.cacheID ?? (tarSplit ? await adoptableDirectory(store, chainID, origin) : undefined);
  if (cacheID === undefined) return false;
  const size = entry.size ?? (tarSplit ? await tarSizeOf(db.tarSplit(chainID)) : 0);
  db.mend({ chainID, ...origin, cacheID, size });
  return tarSplit;
}

/** What cannot be mended now is found by the survey that follows. */
function mendLinks(store: Store, origins: ReadonlyMap<ChainID, LayerOrigin>): void {
  const { db } = store.layers;
  const there = new Set(store.driver.list());
  const mend = (id: CacheID | undefined, parent: CacheID | undefined): void => {
    if (id === undefined || !there.has(id) || store.driver.faults(id, parent).every(({ lost }) => lost))
      return;
    try {
      store.driver.mend(id, parent);
    } catch (error) {
      if (!(error instanceof GantryError && error.code === 'ERR_STORE_CORRUPT')) throw error;
    }
  };
  for (const [chainID, { parent }] of origins) {
    mend(db.entry(chainID).cacheID, parent === undefined ? undefined : db.entry(parent).cacheID);
  }
  for (const container of db.mounts.list()) {
    const mount = mountOf(store, container);
    if (typeof mount !== 'object') continue;
    mend(mount.initID, mount.parent === undefined ? undefined : db.entry(mount.parent).cacheID);
    mend(mount.mountID, mount.initID);
  }
}

async function sweep(store: Store): Promise<void> {
  const records = new ContainerStore(store.root);
  for (const id of records.unfinished()) await records.remove(id);
  const known = new Set(containerIDs(store));
  const { mounts } = store.layers.db;
  for (const id of mounts.list()) {
    if (known.has(id)) continue;
    const mount = mountOf(store, id);
    if (typeof mount === 'object') await store.driver.removeContainer(mount);
    mounts.remove(id);
  }
  await store.layers.removeUnreferenced();
  await sweepDirectories(join(store.root, 'gantry', 'tmp'), () => true);
}
