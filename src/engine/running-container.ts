/** A container that must be running (or paused), under its lock, with the runtime that knows it. */
import { GantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { bundleDirectory, bundleRuntime } from '../runtime/bundle-directory.js';
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import { runDirectory } from '../runtime/host-facts.js';
import { chooseRuntime, type OciRuntime } from '../runtime/oci-runtime.js';
import { findContainer, settleLocked } from './containers.js';
import type { Store } from './store.js';

export interface LockedContainer {
  readonly id: ContainerID;
  readonly records: ContainerStore;
  /** As it is now. */
  readonly record: ContainerRecord;
}

/** Calls `act` with the settled record, nobody else at it meanwhile. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export async function withContainer<T>(
  store: Store,
  what: string,
  act: (locked: LockedContainer) => Promise<T> | T,
): Promise<T> {
  const { ID: id } = await findContainer(store, what);
  const held = await store.lockNamed('containers', id);
  try {
    const records = new ContainerStore(store.root);
    const record = await settleLocked(store, records, id);
    if (record === undefined) throw new GantryError('ERR_NOT_FOUND', `No such container: ${what}`);
    return await act({ id, records, record });
  } finally {
    held.release();
  }
}

/** Docker's words for a command that needs a running container. */
export const notRunning = (id: ContainerID): GantryError =>
  new GantryError('ERR_CONFLICT', `container ${id} is not running`, {
    hint: `gantry start ${id.slice(0, 12)}`,
  });

/** The runtime that a running container was given to. */
export function runtimeOf(store: Store, id: ContainerID): OciRuntime {
  const forced = bundleRuntime(bundleDirectory(store.root, id));
  if (forced === undefined) throw notRunning(id);
  return chooseRuntime({ forced, cgroups: cgroupLayout(), stateDirectory: runDirectory(store.root) });
}
