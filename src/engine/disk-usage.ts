/**
 * `docker system df`: what images, layers and containers take. Every number comes from a file of a few bytes (layerdb's
 * `size`) or from the caller; no tree is walked.
 */
import { type ChainID, chainIDsOf } from '../core/digest/digest.js';
import type { ContainerUse } from './container-use.js';
import { type NamedImage, readImages } from './image-index.js';
import { usedLayers } from './layer-use.js';
import type { Store } from './store.js';

export interface ImageUsage extends NamedImage {
  readonly size: number;
  /** Of `size`, what other images hold too, and what would go with this one. */
  readonly shared: number;
  readonly unique: number;
  readonly containers: number;
}

export interface DiskUsage {
  readonly images: readonly ImageUsage[];
  /** Bytes of all layers, each counted once. */
  readonly layersSize: number;
  readonly activeImages: number;
  /** Bytes of layers that no image of a container needs. */
  readonly reclaimable: number;
  /** Bytes of layers that nothing stands on: what an interrupted pull left. Part of `reclaimable`. */
  readonly unreferenced: number;
}

export function diskUsage(store: Store, containers: readonly ContainerUse[]): DiskUsage {
  const sizes = new Map<ChainID, number>();
  for (const id of store.layers.db.list()) sizes.set(id, store.layers.db.get(id)?.size ?? 0);
  const all = [...readImages(store).images.values()];
  const images = all.filter(
    (image) => image.tags.length + image.digests.length > 0 || image.children.length === 0,
  );
  const chains = new Map(images.map((image) => [image.id, chainIDsOf(image.config.rootfs.diff_ids ?? [])]));
  const holders = new Map<ChainID, number>();
  for (const id of [...chains.values()].flat()) holders.set(id, (holders.get(id) ?? 0) + 1);
  const sum = (ids: Iterable<ChainID>) => [...ids].reduce((total, id) => total + (sizes.get(id) ?? 0), 0);

  const used = new Set(containers.map((container) => container.image));
  const layersSize = sum(sizes.keys());
  const active = new Set(
    all.filter((image) => used.has(image.id)).flatMap((image) => chains.get(image.id) ?? []),
  );
  return {
    images: images.map((image) => {
      const chain = chains.get(image.id)!;
      const size = sum(chain);
      const shared = sum(chain.filter((id) => holders.get(id)! > 1));
      const count = containers.filter((container) => container.image === image.id).length;
      return { ...image, size, shared, unique: size - shared, containers: count };
    }),
    layersSize,
    activeImages: images.filter((image) => used.has(image.id)).length,
    reclaimable: layersSize - sum(active),
    unreferenced: layersSize - sum(usedLayers(store, all)),
  };
}
