/** `docker inspect` of a container: its record, HostConfig and driver data in the shape of Docker's API. */

import { isGantryError } from '../core/errors.js';
import type { GraphDriverData } from '../overlay/driver.js';
import { type ContainerState, statusOf } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { findContainer } from './containers.js';
import { networkSettings } from './network-settings.js';
import type { Store } from './store.js';

export interface ContainerDocument {
  readonly Id: string;
  readonly [field: string]: unknown;
}

/** The container by id, prefix or name. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export async function inspectContainer(store: Store, what: string): Promise<ContainerDocument> {
  const record = await findContainer(store, what);
  const records = new ContainerStore(store.root);
  const hostConfig = records.hostConfig(record.ID);
  return {
    Id: record.ID,
    Created: record.Created,
    Path: record.Path,
    Args: record.Args,
    State: stateDocument(record.State),
    Image: record.Image,
    ResolvConfPath: record.ResolvConfPath,
    HostnamePath: record.HostnamePath,
    HostsPath: record.HostsPath,
    LogPath: record.LogPath,
    Name: record.Name,
    RestartCount: record.RestartCount,
    Driver: record.Driver,
    Platform: record.OS,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: hostConfig,
    GraphDriver: { Data: driverData(store, record.ID), Name: record.Driver },
    Mounts: Object.values(record.MountPoints).map(
      ({ Type, Name, Source, Destination, Driver, RW, Propagation }) => ({
        Type,
        ...(Name === undefined ? {} : { Name }),
        Source,
        Destination,
        ...(Driver === undefined ? {} : { Driver }),
        Mode: '',
        RW,
        Propagation,
      }),
    ),
    Config: record.Config,
    NetworkSettings: networkSettings(store, record, hostConfig),
  };
}

function stateDocument(state: ContainerState): Readonly<Record<string, unknown>> {
  const {
    Process: _process,
    Supervisor: _supervisor,
    Detached: _detached,
    RemovalInProgress: _removal,
    ...shown
  } = state;
  return { Status: statusOf(state), ...shown, Running: state.Running || state.Restarting };
}

/** Null where the write layer is damaged: a broken container can be inspected all the same. */
function driverData(
  store: Store,
  id: Parameters<typeof store.layers.db.mounts.get>[0],
): GraphDriverData | null {
  try {
    const layers = store.layers.db.mounts.get(id);
    return layers === undefined ? null : store.driver.data(layers.mountID);
  } catch (error) {
    if (isGantryError(error, 'ERR_STORE_CORRUPT')) return null;
    throw error;
  }
}
