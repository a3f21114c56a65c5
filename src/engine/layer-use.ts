/**
 * Which layers something stands on: an image on the chain of its config's diffIDs, a container on the chain that it was
 * made of. A layer goes when nothing does. The answers hold while the caller holds the store exclusively.
 */
import { type ChainID, chainIDsOf } from '../core/digest/digest.js';
import type { StoredImage } from '../image/imagedb.js';
import type { Store } from './store.js';

export function usedLayers(store: Store, images: Iterable<StoredImage>): Set<ChainID> {
  const used = new Set([...images].flatMap((image) => chainIDsOf(image.config.rootfs.diff_ids ?? [])));
  const { mounts } = store.layers.db;
  for (const container of mounts.list()) {
    for (let at = mounts.get(container)?.parent; at !== undefined; at = store.layers.db.get(at)?.parent) {
      used.add(at);
    }
  }
  return used;
}

/**
 * Removes those of a chain (base first) that nothing stands on, the topmost first. Returns what went. Throws
 * ERR_STORE_CORRUPT when an image cannot be read: it may stand on any layer.
 */
export async function removeUnusedLayers(store: Store, chain: readonly ChainID[]): Promise<ChainID[]> {
  const { images, corrupt } = store.images.all();
  if (corrupt[0] !== undefined) throw corrupt[0];
  const used = usedLayers(store, images);
  const unused = chain.filter((id) => !used.has(id) && store.layers.db.get(id) !== undefined).reverse();
  for (const id of unused) await store.layers.remove(id);
  return unused;
}

/** Removes every layer that nothing stands on: those of pulls that did not end with an image. */
export async function removeLooseLayers(store: Store): Promise<ChainID[]> {
  // Remembered: a sort asks again and again, and each answer reads files.
  const depths = new Map<ChainID, number>();
  const depth = (id: ChainID): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    const parent = store.layers.db.get(id)?.parent;
    const found = parent === undefined ? 0 : depth(parent) + 1;
    depths.set(id, found);
    return found;
  };
  return removeUnusedLayers(
    store,
    store.layers.db.list().sort((a, b) => depth(a) - depth(b)),
  );
}
