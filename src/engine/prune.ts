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
  /** Of the images that could go, only so many that all layers take at most these bytes; the least recently used go. */
  readonly keepStorage?: number;
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
  if (options.keepStorage === undefined) {
    for (const image of candidates(store, options))
      removed.push(...(await removeWhole(store, image, options)));
  } else {
    // What no image needs goes first: it must not cost one that somebody may want again.
    await removeLooseLayers(store);
    removed.push(...(await shrink(store, options.keepStorage, options)));
  }
  await store.layers.sweep();
  await removeLooseLayers(store);
  for (const id of store.layers.listParked()) await store.layers.dropParked(id);
  await store.layers.removeUnreferenced();
  const reclaimed = before - totalSize(store) + removePartials(store);
  recordPrune(store, 'image', reclaimed);
  return { removed, reclaimed };
}

/** Images that nothing stands on, neither a container nor an image that was made of it. */
function candidates(
  store: Store,
  { all, keepStorage, containers, filters, now }: PruneOptions,
): NamedImage[] {
  const used = new Set(containers.map((container) => container.image));
  return [...readImages(store).images.values()].filter(
    (image) =>
      (all || keepStorage !== undefined || isDangling(image)) &&
      image.children.length === 0 &&
      !used.has(image.id) &&
      prunable(filters, now, image.config.created, image.config.config?.Labels),
  );
}

/** The least recently used first, until the layers take at most `keep` bytes; a parent once its children are gone. */
async function shrink(store: Store, keep: number, options: PruneOptions): Promise<Removed[]> {
  const sizes = new Map(
    store.layers.db.list().map((id) => [id as string, store.layers.db.get(id)?.size ?? 0]),
  );
  let left = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const removed: Removed[] = [];
  for (let before = -1; left > keep && removed.length > before; ) {
    before = removed.length;
    const images = candidates(store, options).map((image) => ({
      image,
      used: store.images.lastUsed(image.id),
    }));
    for (const { image } of images.sort((a, b) => a.used - b.used)) {
      if (left <= keep) break;
      const gone = await removeWhole(store, image, options);
      for (const record of gone) if ('deleted' in record) left -= sizes.get(record.deleted) ?? 0;
      removed.push(...gone);
    }
  }
  return removed;
}

/** With all its names. Nothing when it went before, with a child. */
async function removeWhole(
  store: Store,
  { id, tags, digests }: NamedImage,
  { containers }: PruneOptions,
): Promise<Removed[]> {
  const names = [...tags, ...digests];
  for (const name of names) {
    await store.tags.update({ remove: [name] });
    recordImageEvent(store, 'untag', id, name);
  }
  const removed: Removed[] = names.map((untagged) => ({ untagged }));
  if (store.images.get(id) === undefined) return removed;
  try {
    removed.push(...(await removeImage(store, id, { containers })));
  } catch (error) {
    if (!(error instanceof GantryError && error.code === 'ERR_CONFLICT')) throw error;
  }
  return removed;
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
