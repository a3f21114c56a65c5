/**
 * A container whose write layer is about to be read: a stopped one cannot be started meanwhile (its lock is held), a
 * running one goes on, or is paused for as long as it takes.
 */
import { GantryError, isGantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import type { LayerMount } from '../layer/layer-mounts.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import { findContainer, settleLocked } from './containers.js';
import { pauseContainer, unpauseContainer } from './pause-container.js';
import type { Store } from './store.js';

export interface StillContainer {
  readonly record: ContainerRecord;
  readonly mount: LayerMount;
}

/** ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_STORE_CORRUPT for one without a write layer. */
export async function withStillContainer<T>(
  store: Store,
  what: string,
  { pause }: { readonly pause: boolean },
  act: (container: StillContainer) => Promise<T>,
): Promise<T> {
  for (;;) {
    const record = await findContainer(store, what);
    if (record.State.Running) {
      if (!pause || record.State.Paused) return act(still(store, record));
      try {
        await pauseContainer(store, record.ID);
      } catch (error) {
        if (isGantryError(error, 'ERR_CONFLICT')) continue; // it ended, or was paused, meanwhile
        throw error;
      }
      try {
        return await act(still(store, record));
      } finally {
        await unpauseContainer(store, record.ID).catch((error: unknown) => {
          if (!isGantryError(error, 'ERR_CONFLICT', 'ERR_NOT_FOUND')) throw error; // somebody was quicker
        });
      }
    }
    const held = await store.lockNamed('containers', record.ID);
    try {
      const now = await settleLocked(store, new ContainerStore(store.root), record.ID);
      if (now !== undefined && !now.State.Running) return await act(still(store, now));
    } finally {
      held.release();
    }
  }
}

const still = (store: Store, record: ContainerRecord): StillContainer => ({
  record,
  mount: mountOf(store, record.ID),
});

/** ERR_STORE_CORRUPT for a container without a write layer. */
export function mountOf(store: Store, id: ContainerID): LayerMount {
  const mount = store.layers.db.mounts.get(id);
  if (mount !== undefined) return mount;
  throw new GantryError('ERR_STORE_CORRUPT', `container ${id} has no write layer`, {
    hint: `gantry rm ${id}`,
  });
}
