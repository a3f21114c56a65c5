/**
 * `docker system prune`, images' part: removes images that nothing needs, then layers without an image, then what
 * interrupted pulls left (FORMATS §E3). The caller holds the store exclusively, so no pull or run is under way.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import type { ContainerUse } from './container-use.js';
import { recordImageEvent, recordPrune } from './events.js';
import { type Filters, knownFilters, labelMatches, parseUntil } from './filters.js';
import { isDangling, type NamedImage, readImages } from './image-index.js';
import { removeLooseLayers } from './layer-use.js';
import { type Removed, removeImage } from './remove-image.js';
import type { Store } from './store.js';

export interface PruneOptions {
  /** Every image without a container, not only nameless ones. */
  readonly all?: boolean;
  readonly filters: Filters;
  readonly containers: readonly ContainerUse[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface PruneResult {
  readonly removed: readonly Removed[];
  /** Bytes of the layers, and of the partial downloads, that went. */
  readonly reclaimed: number;
}

/** Filters that `system prune` takes. */
export const PRUNE_FILTERS = ['until', 'label', 'label!'] as const;

/** Whether something made at `created` with `labels` is meant by the filters. Throws ERR_INVALID_ARGUMENT. */
export function prunable(
  filters: Filters,
  now: number,
  created: string | null | undefined,
  labels: Readonly<Record<string, string>> | null | undefined,
): boolean {
  knownFilters(filters, PRUNE_FILTERS);
  const until = filters.get('until')?.map((text) => parseUntil(text, now)) ?? [];
  const time = Date.parse(created ?? '') || 0;
  return (
    until.every((limit) => time < limit) &&
    (filters.get('label') ?? []).every((wanted) => labelMatches(labels, wanted)) &&
    !(filters.get('label!') ?? []).some((unwanted) => labelMatches(labels, unwanted))
  );
}

export async function pruneImages(store: Store, options: PruneOptions): Promise<PruneResult> {
  const before = totalSize(store);
  const removed: Removed[] = [];
  const used = new Set(options.containers.map((container) => container.image));
  const wanted = (image: NamedImage) =>
    (options.all || isDangling(image)) &&
    image.children.length === 0 &&
    !used.has(image.id) &&
    prunable(options.filters, options.now, image.config.created, image.config.config?.Labels);
  for (const { id, tags, digests } of [...readImages(store).images.values()].filter(wanted)) {
    for (const name of [...tags, ...digests]) {
      await store.tags.update({ remove: [name] });
      recordImageEvent(store, 'untag', id, name);
    }
    removed.push(...[...tags, ...digests].map((name) => ({ untagged: name })));
    // An image may have gone with a child that was removed before it.
    if (store.images.get(id) === undefined) continue;
    try {
      removed.push(...(await removeImage(store, id, { containers: options.containers })));
    } catch (error) {
      if (!(error instanceof GantryError && error.code === 'ERR_CONFLICT')) throw error;
    }
  }
  await store.layers.sweep();
  await removeLooseLayers(store);
  for (const id of store.layers.listParked()) await store.layers.dropParked(id);
  await store.layers.removeUnreferenced();
  const reclaimed = before - totalSize(store) + removePartials(store);
  recordPrune(store, 'image', reclaimed);
  return { removed, reclaimed };
}

const totalSize = (store: Store): number =>
  store.layers.db.list().reduce((sum, id) => sum + (store.layers.db.get(id)?.size ?? 0), 0);

/** Partial downloads. Returns their bytes. */
function removePartials(store: Store): number {
  const directory = join(store.root, 'gantry', 'partial');
  let bytes = 0;
  for (const name of namesIn(directory)) {
    // A partial file may begin with a hole.
    bytes += statSync(join(directory, name)).blocks * 512;
    rmSync(join(directory, name), { recursive: true, force: true });
  }
  return bytes;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
