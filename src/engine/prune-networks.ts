/** `docker network prune`. */
import { isGantryError } from '../core/errors.js';
import { NetworkStore } from '../runtime/network/network-store.js';
import { listContainers } from './containers.js';
import { recordPrune } from './events.js';
import type { Filters } from './filters.js';
import { wantedNetworks } from './network-settings.js';
import { removeNetwork } from './networks.js';
import { prunable } from './prune.js';
import type { Store } from './store.js';

/** Removes those that were made and that no container names, stopped ones too. Filters: until, label, label!. */
export async function pruneNetworks(store: Store, filters: Filters, now: number): Promise<string[]> {
  const named = new Set(
    (await listContainers(store)).flatMap((record) => Object.keys(wantedNetworks(record))),
  );
  const names: string[] = [];
  for (const { Name, Created, Labels } of new NetworkStore(store.root).list()) {
    if (named.has(Name) || !prunable(filters, now, Created, Labels)) continue;
    try {
      if (await removeNetwork(store, Name)) names.push(Name);
    } catch (error) {
      if (!isGantryError(error, 'ERR_IN_USE', 'ERR_NOT_FOUND')) throw error;
    }
  }
  recordPrune(store, 'network', 0);
  return names;
}
