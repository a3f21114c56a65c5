/**
 * What images say of layers: a config's diffIDs fix every chainID of its stack with its diffID and its parent, so the
 * small files of layerdb can be written again from it. A base layer's chainID is its diffID.
 */
import { type ChainID, chainIDOf, chainIDsOf, type DiffID } from '../core/digest/digest.js';
import type { StoredImage } from '../image/imagedb.js';
import type { Store } from './store.js';

export interface LayerOrigin {
  readonly diffID: DiffID;
  readonly parent?: ChainID;
}

/** By chainID, each parent before its children. */
export function layerOrigins(store: Store, images: readonly StoredImage[]): Map<ChainID, LayerOrigin> {
  const origins = new Map<ChainID, LayerOrigin>();
  for (const { config } of images) {
    const diffIDs = config.rootfs.diff_ids ?? [];
    for (const [index, chainID] of chainIDsOf(diffIDs).entries()) {
      const parent = chainIDsOf(diffIDs.slice(0, index)).at(-1);
      origins.set(chainID, { diffID: diffIDs[index]!, ...(parent ? { parent } : {}) });
    }
  }
  const own = store.layers.db.list().flatMap((chainID) => {
    const { diffID, parent } = store.layers.db.entry(chainID);
    const sound = diffID !== undefined && chainIDOf(parent, diffID) === chainID;
    return sound && !origins.has(chainID)
      ? [[chainID, { diffID, ...(parent ? { parent } : {}) }] as const]
      : [];
  });
  const waiting = new Map<ChainID, LayerOrigin>(own);
  const enter = (chainID: ChainID): void => {
    const origin = waiting.get(chainID);
    if (origin === undefined) return;
    waiting.delete(chainID);
    if (origin.parent !== undefined) enter(origin.parent);
    origins.set(chainID, origin);
  };
  for (const [chainID] of own) enter(chainID);
  return origins;
}
