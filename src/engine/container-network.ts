/** A container and its networks: `openNetwork` and `attachNetworks` before it starts, `detachNetworks` when it has ended. */
import { GantryError } from '../core/errors.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';
import type {
  ContainerSettings,
  CreateRequest,
  EndpointSettings,
  HostConfig,
} from '../runtime/create-request.js';
import { invalid } from '../runtime/flags/invalid.js';
import { HOST_GATEWAY } from '../runtime/flags/name-resolution.js';
import { attach, detach, openSandbox } from '../runtime/network/attach.js';
import { addressOf, type Endpoint, endpointsOf, namespacePath } from '../runtime/network/endpoint.js';
import { shareNames } from '../runtime/network/names.js';
import type { Network } from '../runtime/network/network-store.js';
import { publishPorts } from '../runtime/network/ports.js';
import { contains, parseSubnet } from '../runtime/network/subnet.js';
import type { NetworkFiles } from '../runtime/network-files.js';
import { networkMode } from '../runtime/network-mode.js';
import { recordNetworkEvent } from './events.js';
import { wantedNetworks } from './network-settings.js';
import { findNetwork } from './networks.js';
import type { Store } from './store.js';

/**
 * The networks that are asked for, by their names. ERR_NOT_FOUND where there is none of a name, ERR_INVALID_ARGUMENT for
 * what a network cannot give.
 */
export function checkNetworks(
  store: Store,
  { hostConfig, networkingConfig }: CreateRequest,
): Readonly<Record<string, EndpointSettings>> {
  const { NetworkMode, ExtraHosts } = hostConfig;
  const { kind } = networkMode(NetworkMode);
  if (kind === 'container') return {};
  if (kind === 'none' && ExtraHosts?.some((entry) => entry.endsWith(`:${HOST_GATEWAY}`))) {
    throw invalid(`--add-host ${HOST_GATEWAY}: a container without a network does not reach the host`);
  }
  const asked = Object.entries(networkingConfig?.EndpointsConfig ?? { [NetworkMode]: {} });
  return Object.fromEntries(
    asked.map(([what, settings]) => {
      if (networkMode(what).kind !== 'networks') return [what, settings];
      const { Name, network } = findNetwork(store, what);
      if (network !== undefined) checkEndpoint(network, settings);
      return [Name, settings];
    }),
  );
}

/** In docker's words. */
export function checkEndpoint(network: Network, { IPAMConfig, Aliases }: EndpointSettings): void {
  const ip = IPAMConfig?.IPv4Address;
  if (network.Name === 'bridge') {
    if (ip !== undefined)
      throw invalid('user specified IP address is supported on user defined networks only');
    if (Aliases?.length) {
      throw invalid('network-scoped aliases are only supported for user-defined networks');
    }
  }
  if (ip !== undefined && (!contains(parseSubnet(network.Subnet), ip) || ip === network.Gateway)) {
    throw invalid(`invalid address ${ip}: expected one of ${network.Subnet} that is not its gateway`);
  }
}

export interface AttachedNetworks {
  readonly addresses: readonly string[];
  /** The host, seen from the container; undefined on no network. */
  readonly gateway: string | undefined;
}

/** What its hostname, hosts and resolv.conf are made of. */
export const networkFiles = (
  { Hostname = '', Domainname = '' }: ContainerSettings,
  hostConfig: HostConfig,
  attached?: AttachedNetworks,
): NetworkFiles => ({
  hostname: Hostname,
  domainname: Domainname,
  network: hostConfig.NetworkMode,
  extraHosts: hostConfig.ExtraHosts ?? [],
  dns: {
    servers: hostConfig.Dns ?? [],
    search: hostConfig.DnsSearch ?? [],
    options: hostConfig.DnsOptions ?? [],
  },
  addresses: attached?.addresses ?? [],
  ...(attached?.gateway === undefined ? {} : { gateway: attached.gateway }),
});

/** The path of a namespace for a container's networks; undefined for one that is on none. ERR_RUNTIME_MISSING without plugins. */
export async function openNetwork(id: string, { NetworkMode }: HostConfig): Promise<string | undefined> {
  if (networkMode(NetworkMode).kind !== 'networks') return undefined;
  await openSandbox(id);
  return namespacePath(id);
}

/**
 * Puts a container that is about to start, and has its namespace, on its networks. ERR_NOT_FOUND, ERR_CONFLICT for a port
 * or address that is taken, ERR_RUNTIME.
 */
export async function attachNetworks(
  store: Store,
  record: ContainerRecord,
  hostConfig: HostConfig,
): Promise<AttachedNetworks> {
  const endpoints: Endpoint[] = [];
  for (const [name, settings] of Object.entries(wantedNetworks(record))) {
    endpoints.push(
      await attachNetwork(store, record, hostConfig, { name, settings, publish: endpoints.length === 0 }),
    );
  }
  return {
    addresses: endpoints.flatMap((endpoint) => addressOf(endpoint)?.address ?? []),
    gateway: endpoints.find(({ isGateway }) => isGateway)?.network.Gateway ?? endpoints[0]?.network.Gateway,
  };
}

/** One network, for a container that has its namespace. Its ports too, where `publish` says so. */
export async function attachNetwork(
  store: Store,
  record: ContainerRecord,
  hostConfig: HostConfig,
  wanted: { readonly name: string; readonly settings: EndpointSettings; readonly publish: boolean },
): Promise<Endpoint> {
  const { name, settings, publish } = wanted;
  const { network } = findNetwork(store, name);
  if (network === undefined) throw new GantryError('ERR_INTERNAL', `network ${name} has no bridge`);
  const own = [plainName(record), record.ID.slice(0, 12), record.Config.Hostname || plainName(record)];
  const endpoint = await attach({
    containerID: record.ID,
    containerName: plainName(record),
    names: [...new Set([...own, ...(settings.Aliases ?? [])])],
    hostsPath: record.HostsPath,
    network,
    settings,
    publish: async (taken) => (publish ? publishPorts(record.Config, hostConfig, taken) : []),
  });
  recordNetworkEvent(store, network, 'connect', { container: record.ID });
  return endpoint;
}

/** After its hosts file is written: tells it the others on its networks, and them of it. */
export async function announceContainer(id: string): Promise<void> {
  for (const { network } of endpointsOf(id)) await shareNames(network);
}

/** Gives back what a container had of its networks; idempotent, quick for one without. */
export async function detachNetworks(store: Store, id: string): Promise<void> {
  const endpoints = endpointsOf(id);
  await detach(id);
  for (const { network, result } of endpoints) {
    if (result === undefined) continue;
    await shareNames(network);
    recordNetworkEvent(store, network, 'disconnect', { container: id });
  }
}
