/** `docker network connect` and `disconnect`: of a running container at once, of another for its next start. */
import { GantryError, isGantryError } from '../core/errors.js';
import { DOCKER_EMPTY } from '../runtime/container-record.js';
import type { EndpointSettings, HostConfig } from '../runtime/create-request.js';
import { detachFrom } from '../runtime/network/attach.js';
import { endpointsOf } from '../runtime/network/endpoint.js';
import { addOwnName, forgetNetwork, shareNames } from '../runtime/network/names.js';
import { ownNames } from '../runtime/network-files.js';
import { networkMode } from '../runtime/network-mode.js';
import { attachNetwork, checkEndpoint } from './container-network.js';
import { recordNetworkEvent } from './events.js';
import { wantedNetworks } from './network-settings.js';
import { findNetwork, type NetworkSummary } from './networks.js';
import { type LockedContainer, withContainer } from './running-container.js';
import type { Store } from './store.js';

/** In docker's words: these two modes are alone. */
function refusePlain({ Name }: NetworkSummary, { NetworkMode }: HostConfig): void {
  const words = {
    host: 'container cannot be disconnected from host network or connected to host network',
    none: 'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  };
  for (const name of ['host', 'none'] as const) {
    if (Name === name || NetworkMode === name) throw new GantryError('ERR_CONFLICT', words[name]);
  }
}

function keep(
  { records, record }: LockedContainer,
  Networks: Readonly<Record<string, EndpointSettings>>,
): void {
  const NetworkSettings = { ...DOCKER_EMPTY.NetworkSettings, Networks };
  records.put({ ...record, NetworkSettings }, { sync: true });
}

/** ERR_NOT_FOUND, ERR_CONFLICT when it is on that network already, ERR_INVALID_ARGUMENT, ERR_RUNTIME. */
export async function connectNetwork(
  store: Store,
  what: string,
  container: string,
  settings: EndpointSettings = {},
): Promise<void> {
  const summary = findNetwork(store, what);
  const { Name: name, network } = summary;
  await withContainer(store, container, async (locked) => {
    const { id, record, records } = locked;
    const hostConfig = records.hostConfig(id);
    if (networkMode(hostConfig.NetworkMode).kind === 'container') {
      throw new GantryError(
        'ERR_CONFLICT',
        'container sharing network namespace with another container or host cannot be connected to any other network',
      );
    }
    refusePlain(summary, hostConfig);
    if (network !== undefined) checkEndpoint(network, settings);
    const before = wantedNetworks(record);
    if (before[name] !== undefined) {
      throw new GantryError(
        'ERR_CONFLICT',
        `endpoint with name ${record.Name.slice(1)} already exists in network ${name}`,
      );
    }
    if (record.State.Running) {
      const { Hostname, Domainname } = record.Config;
      const endpoint = await attachNetwork(store, record, hostConfig, { name, settings, publish: false });
      addOwnName(endpoint, ownNames(Hostname ?? '', Domainname));
      await shareNames(endpoint.network);
    }
    keep(locked, { ...before, [name]: settings });
  });
}

/** ERR_NOT_FOUND (with `force` none for a container that is not there or not on it), ERR_CONFLICT, ERR_RUNTIME. */
export async function disconnectNetwork(
  store: Store,
  what: string,
  container: string,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  const summary = findNetwork(store, what);
  const { Name: name } = summary;
  const act = withContainer(store, container, async (locked) => {
    const { id, record, records } = locked;
    refusePlain(summary, records.hostConfig(id));
    const { [name]: gone, ...left } = wantedNetworks(record);
    if (gone === undefined) {
      throw new GantryError('ERR_NOT_FOUND', `container ${id} is not connected to network ${name}`);
    }
    const endpoint = record.State.Running
      ? endpointsOf(id).find(({ network }) => network.Name === name)
      : undefined;
    if (endpoint !== undefined) {
      if (!(await detachFrom(endpoint))) {
        throw new GantryError(
          'ERR_RUNTIME',
          `network ${name}: a CNI plugin could not take container ${id} off it`,
        );
      }
      forgetNetwork(endpoint);
      await shareNames(endpoint.network);
      recordNetworkEvent(store, endpoint.network, 'disconnect', { container: id });
    }
    keep(locked, left);
  });
  await act.catch((error: unknown) => {
    if (!options.force || !isGantryError(error, 'ERR_NOT_FOUND')) throw error;
  });
}
