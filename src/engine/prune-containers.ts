/** `docker system prune`, the containers' part: those that do not run go, with what they wrote. */

import { isGantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { listContainers, removeContainer } from './containers.js';
import { recordPrune } from './events.js';
import type { Filters } from './filters.js';
import { prunable } from './prune.js';
import type { Store } from './store.js';
import { writeLayerSize } from './write-layer-size.js';

export interface PrunedContainers {
  readonly ids: readonly ContainerID[];
  /** Bytes of their write layers. */
  readonly reclaimed: number;
}

/** `now` in milliseconds since the epoch. One that somebody starts or removes meanwhile is left to them. */
export async function pruneContainers(
  store: Store,
  filters: Filters,
  now: number,
): Promise<PrunedContainers> {
  const ids: ContainerID[] = [];
  let reclaimed = 0;
  for (const { ID, State, Created, Config } of await listContainers(store)) {
    if (State.Running || !prunable(filters, now, Created, Config.Labels)) continue;
    const size = writeLayerSize(store, ID);
    try {
      await removeContainer(store, ID);
    } catch (error) {
      if (!isGantryError(error, 'ERR_CONFLICT', 'ERR_NOT_FOUND')) throw error;
      continue;
    }
    ids.push(ID);
    reclaimed += size;
  }
  recordPrune(store, 'container', reclaimed);
  return { ids, reclaimed };
}
