/**
 * `docker volume`: volumes with what uses them. A volume is in use while any container names it, stopped ones too.
 *
 * Removal holds the volumes' lock exclusively and creation of a container shared, from the moment it picks its volumes
 * until its record names them.
 */
import { GantryError } from '../core/errors.js';
import type { Lock } from '../core/lock.js';
import { checkVolumeName } from '../runtime/flags/volume.js';
import {
  ANONYMOUS,
  type Labels,
  labelVolume,
  readVolume,
  readVolumes,
  type VolumeDocument,
} from '../runtime/volume-store.js';
import { ensureVolume, newVolumeName, removeVolume } from '../runtime/volumes.js';
import { recordPrune, recordVolumeEvent } from './events.js';
import { type Filters, isTrue, knownFilters, labelMatches } from './filters.js';
import type { Store } from './store.js';
import { treeSize } from './write-layer-size.js';

export const lockVolumes = (store: Store, mode: 'shared' | 'exclusive'): Promise<Lock> =>
  store.lockNamed('containers', 'volumes', { mode });

export interface CreateVolumeOptions {
  /** 64 random hex digits without it. */
  readonly name?: string;
  readonly labels?: Labels;
}

/** Gives the name; one that is there already is left as it is. ERR_INVALID_ARGUMENT for what is no name. */
export async function createVolume(store: Store, options: CreateVolumeOptions): Promise<string> {
  const name = checkVolumeName(options.name ?? newVolumeName());
  const held = await lockVolumes(store, 'exclusive');
  try {
    if (readVolume(store.root, name) !== undefined) return name;
    const { labels = {} } = options;
    if (Object.keys(labels).length > 0) labelVolume(store.root, name, unnamed(labels, options.name));
    ensureVolume(store.root, name);
    recordVolumeEvent(store, 'create', name);
    return name;
  } finally {
    held.release();
  }
}

const unnamed = (labels: Labels, name: string | undefined): Labels =>
  name === undefined ? { ...labels, [ANONYMOUS]: '' } : labels;

/** ERR_NOT_FOUND. */
export function inspectVolume(store: Store, name: string): VolumeDocument {
  const volume = /^[\w.-]+$/.test(name) ? readVolume(store.root, name) : undefined;
  if (volume === undefined) throw new GantryError('ERR_NOT_FOUND', `get ${name}: no such volume`);
  return volume;
}

/** Filters: dangling, driver, label, name. */
export async function listVolumes(store: Store, filters: Filters): Promise<VolumeDocument[]> {
  knownFilters(filters, ['dangling', 'driver', 'label', 'name']);
  const dangling = isTrue(filters, 'dangling');
  const users = dangling === undefined ? undefined : await volumeUsers(store);
  return readVolumes(store.root).filter(
    ({ Name, Labels, Driver }) =>
      (filters.get('name')?.some((part) => Name.includes(part)) ?? true) &&
      (filters.get('driver')?.includes(Driver) ?? true) &&
      (filters.get('label') ?? []).every((wanted) => labelMatches(Labels, wanted)) &&
      (users === undefined || users.has(Name) !== dangling),
  );
}

/** ERR_NOT_FOUND, but not with `force`; ERR_IN_USE, also with it. */
export async function removeUnusedVolume(
  store: Store,
  name: string,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  const held = await lockVolumes(store, 'exclusive');
  try {
    if (options.force && readVolume(store.root, checkVolumeName(name)) === undefined) return;
    inspectVolume(store, name);
    const users = (await volumeUsers(store)).get(name);
    if (users !== undefined) {
      throw new GantryError('ERR_IN_USE', `remove ${name}: volume is in use - [${users.join(', ')}]`, {
        hint: `gantry rm ${users.map((id) => id.slice(0, 12)).join(' ')}`,
      });
    }
    await removeVolume(store.root, name);
    recordVolumeEvent(store, 'destroy', name);
  } finally {
    held.release();
  }
}

export interface PruneVolumesOptions {
  /** Named ones too. */
  readonly all: boolean;
  /** label, label!, all. */
  readonly filters: Filters;
}

/** Removes those that no container names. */
export async function pruneVolumes(
  store: Store,
  { all, filters }: PruneVolumesOptions,
): Promise<{ readonly names: readonly string[]; readonly reclaimed: number }> {
  knownFilters(filters, ['label', 'label!', 'all']);
  const named = all || isTrue(filters, 'all') === true;
  const held = await lockVolumes(store, 'exclusive');
  try {
    const users = await volumeUsers(store);
    const names: string[] = [];
    let reclaimed = 0;
    for (const { Name, Labels, Mountpoint } of readVolumes(store.root)) {
      const wanted =
        !users.has(Name) &&
        (named || Labels?.[ANONYMOUS] !== undefined) &&
        (filters.get('label') ?? []).every((label) => labelMatches(Labels, label)) &&
        !(filters.get('label!') ?? []).some((label) => labelMatches(Labels, label));
      if (!wanted) continue;
      reclaimed += treeSize(Mountpoint, new Set());
      await removeVolume(store.root, Name);
      recordVolumeEvent(store, 'destroy', Name);
      names.push(Name);
    }
    recordPrune(store, 'volume', reclaimed);
    return { names, reclaimed };
  } finally {
    held.release();
  }
}

/** Ids of containers by the volume that they name. */
async function volumeUsers(store: Store): Promise<Map<string, string[]>> {
  const { listContainers } = await import('./containers.js');
  const users = new Map<string, string[]>();
  for (const { ID, MountPoints } of await listContainers(store)) {
    for (const { Name } of Object.values(MountPoints ?? {})) {
      if (Name !== undefined) users.set(Name, [...(users.get(Name) ?? []), ID]);
    }
  }
  return users;
}
