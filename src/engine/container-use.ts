/** What removal and accounting of images must know of a container. */
import type { ImageID } from '../core/digest/digest.js';
import type { ContainerID } from '../core/ids.js';
import { listContainers } from './containers.js';
import type { Store } from './store.js';

export interface ContainerUse {
  readonly id: ContainerID;
  readonly image: ImageID;
  readonly running: boolean;
}

export const containerUses = async (store: Store): Promise<ContainerUse[]> =>
  (await listContainers(store)).map(({ ID, Image, State }) => ({
    id: ID,
    image: Image,
    running: State.Running,
  }));
