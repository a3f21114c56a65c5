/**
 * A container and its network: `attachNetwork` before its bundle is written, `detachNetwork` when it has ended, and
 * what `inspect` tells in between.
 */
import { GantryError } from '../core/errors.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';
import type { ContainerSettings, HostConfig } from '../runtime/create-request.js';
import { invalid } from '../runtime/flags/invalid.js';
import { HOST_GATEWAY } from '../runtime/flags/name-resolution.js';
import { addressOf, attach, detach, type Endpoint, readEndpoint } from '../runtime/network/endpoint.js';
import { shareNames } from '../runtime/network/names.js';
import { isPredefined, predefinedID } from '../runtime/network/network-store.js';
import { publishPorts } from '../runtime/network/ports.js';
import type { NetworkFiles } from '../runtime/network-files.js';
import { recordNetworkEvent } from './events.js';
import { findNetwork } from './networks.js';
import type { Store } from './store.js';

/** Throws ERR_NOT_FOUND where there is no network of that name, ERR_INVALID_ARGUMENT for what a network cannot give. */
export function checkNetwork(store: Store, { NetworkMode, ExtraHosts }: HostConfig): void {
  if (NetworkMode === 'none' && ExtraHosts?.some((entry) => entry.endsWith(`:${HOST_GATEWAY}`))) {
    throw invalid(`--add-host ${HOST_GATEWAY}: a container without a network does not reach the host`);
  }
  if (!isPredefined(NetworkMode)) findNetwork(store, NetworkMode);
}

export interface AttachedNetwork {
  readonly namespace: string;
  readonly address: string;
  /** The host, seen from the container. */
  readonly gateway: string;
}

/** What its hostname, hosts and resolv.conf are made of. */
export const networkFiles = (
  { Hostname = '', Domainname = '' }: ContainerSettings,
  hostConfig: HostConfig,
  attached?: AttachedNetwork,
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
  ...(attached === undefined ? {} : { address: attached.address, gateway: attached.gateway }),
});

/**
 * Puts a container that is about to start on its network. Undefined for `none` and `host`, which need nothing.
 * ERR_RUNTIME_MISSING without plugins, ERR_NOT_FOUND, ERR_CONFLICT for a port that is taken, ERR_RUNTIME.
 */
export async function attachNetwork(
  store: Store,
  record: ContainerRecord,
  hostConfig: HostConfig,
): Promise<AttachedNetwork | undefined> {
  const { NetworkMode } = hostConfig;
  if (NetworkMode === 'none' || NetworkMode === 'host') return undefined;
  const { network } = findNetwork(store, NetworkMode);
  if (network === undefined) throw new GantryError('ERR_INTERNAL', `network ${NetworkMode} has no bridge`);
  const endpoint = await attach({
    containerID: record.ID,
    containerName: plainName(record),
    names: [
      ...new Set([plainName(record), record.ID.slice(0, 12), record.Config.Hostname || plainName(record)]),
    ],
    hostsPath: record.HostsPath,
    network,
    publish: (taken) => publishPorts(record.Config, hostConfig, taken),
  });
  recordNetworkEvent(store, network, 'connect', { container: record.ID });
  return {
    namespace: endpoint.call.netns,
    address: addressOf(endpoint)?.address ?? '',
    gateway: network.Gateway,
  };
}

/** After its hosts file is written: tells it the others on its network, and them of it. */
export async function announceContainer(id: string): Promise<void> {
  const endpoint = readEndpoint(id);
  if (endpoint !== undefined) await shareNames(endpoint.network);
}

/** Gives back what a container had of its network; idempotent, quick for one without. */
export async function detachNetwork(store: Store, id: string): Promise<void> {
  const endpoint = readEndpoint(id);
  await detach(id);
  if (endpoint?.result === undefined) return;
  await shareNames(endpoint.network);
  recordNetworkEvent(store, endpoint.network, 'disconnect', { container: id });
}

/** NetworkSettings of `container inspect`. */
export function networkSettings(
  { ID, Config, State }: ContainerRecord,
  { NetworkMode }: HostConfig,
): Readonly<Record<string, unknown>> {
  const endpoint = State.Running ? readEndpoint(ID) : undefined;
  const at = endpoint && addressOf(endpoint);
  const address = {
    Gateway: at?.gateway ?? '',
    IPAddress: at?.address ?? '',
    IPPrefixLen: at?.bits ?? 0,
    MacAddress: at?.mac ?? '',
  };
  const NetworkID = endpoint?.network.Id ?? (isPredefined(NetworkMode) ? predefinedID(NetworkMode) : '');
  const EndpointID = endpoint === undefined ? '' : ID;
  return {
    Bridge: '',
    SandboxID: EndpointID,
    SandboxKey: endpoint?.call.netns ?? '',
    Ports: State.Running ? portMap(Config.ExposedPorts, endpoint) : {},
    EndpointID,
    ...address,
    Networks: { [NetworkMode]: { NetworkID, EndpointID, ...address } },
  };
}

/** Of a running container; empty for another. */
export const containerPorts = ({ ID, Config, State }: ContainerRecord): PortMap =>
  State.Running ? portMap(Config.ExposedPorts, readEndpoint(ID)) : {};

export type PortMap = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

/** By `80/tcp`: where it is published, null where it is only exposed. */
function portMap(
  exposed: Readonly<Record<string, unknown>> | null | undefined,
  endpoint: Endpoint | undefined,
): PortMap {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const port of Object.keys(exposed ?? {})) map[port] = null;
  for (const { containerPort, protocol, hostIP, hostPort } of endpoint?.ports ?? []) {
    const key = `${containerPort}/${protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: hostIP, HostPort: String(hostPort) }];
  }
  return map;
}
