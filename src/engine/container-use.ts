/** What removal and accounting of images must know of a container. */
import type { ImageID } from '../core/digest/digest.js';
import type { ContainerID } from '../core/ids.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { Store } from './store.js';

export interface ContainerUse {
  readonly id: ContainerID;
  readonly image: ImageID;
  readonly running: boolean;
}

/** Every container of the store, running by its record: one whose process died unseen counts as running. */
export const containerUses = (store: Store): ContainerUse[] =>
  new ContainerStore(store.root)
    .list()
    .map(({ ID, Image, State }) => ({ id: ID, image: Image, running: State.Running }));
