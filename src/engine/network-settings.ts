/** What `inspect`, `ps` and `port` tell of a container's networks. */
import { createHash } from 'node:crypto';
import type { ContainerRecord } from '../runtime/container-record.js';
import type { EndpointSettings, HostConfig } from '../runtime/create-request.js';
import { addressOf, type Endpoint, endpointsOf, namespacePath } from '../runtime/network/endpoint.js';
import { isPredefined, NetworkStore, predefinedID } from '../runtime/network/network-store.js';
import type { Store } from './store.js';

/** By name, as the container is to be on them; the first gives it its default route and its ports. */
export const wantedNetworks = ({
  NetworkSettings,
}: Pick<ContainerRecord, 'NetworkSettings'>): Readonly<Record<string, EndpointSettings>> =>
  NetworkSettings?.Networks ?? {};

export const endpointID = (containerID: string, networkID: string): string =>
  createHash('sha256').update(`${containerID} ${networkID}`).digest('hex');

const NO_ADDRESS = { Gateway: '', IPAddress: '', IPPrefixLen: 0, MacAddress: '' };

function addresses(endpoint: Endpoint | undefined): typeof NO_ADDRESS {
  const at = endpoint && addressOf(endpoint);
  if (at === undefined) return NO_ADDRESS;
  return { Gateway: at.gateway, IPAddress: at.address, IPPrefixLen: at.bits, MacAddress: at.mac };
}

/** NetworkSettings of `container inspect`. The addresses at its top are those on the default network, as in Docker. */
export function networkSettings(
  store: Store,
  record: ContainerRecord,
  { NetworkMode }: HostConfig,
): Readonly<Record<string, unknown>> {
  const { ID, State } = record;
  const endpoints = State.Running ? endpointsOf(ID) : [];
  const made = new NetworkStore(store.root).list();
  const Networks = Object.entries(wantedNetworks(record)).map(([name, settings]) => {
    const endpoint = endpoints.find(({ network }) => network.Name === name);
    const known = isPredefined(name) ? predefinedID(name) : made.find((one) => one.Name === name)?.Id;
    const NetworkID = endpoint?.network.Id ?? known ?? '';
    const document = {
      IPAMConfig: settings.IPAMConfig ?? null,
      Links: null,
      Aliases: settings.Aliases ?? null,
      DriverOpts: null,
      NetworkID,
      EndpointID: endpoint === undefined ? '' : endpointID(ID, NetworkID),
      ...addresses(endpoint),
      IPv6Gateway: '',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      DNSNames: isPredefined(name) ? null : (endpoint?.names ?? null),
    };
    return [name, document] as const;
  });
  const onDefault = endpoints.find(({ network }) => network.Name === 'bridge');
  const own = State.Running && NetworkMode !== 'host' && endpoints.length > 0;
  return {
    Bridge: '',
    SandboxID: own ? ID : '',
    SandboxKey: own ? namespacePath(ID) : '',
    Ports: containerPorts(record),
    EndpointID: onDefault === undefined ? '' : endpointID(ID, onDefault.network.Id),
    ...addresses(onDefault),
    Networks: Object.fromEntries(Networks),
  };
}

export type PortMap = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

/**
 * Of a running container, by `80/tcp`: where it is published, null where it is only exposed; empty for another, and for one
 * in the network of another.
 */
export function containerPorts(record: ContainerRecord): PortMap {
  const { ID, Config, State } = record;
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  if (!State.Running || Object.keys(wantedNetworks(record)).length === 0) return map;
  for (const port of Object.keys(Config.ExposedPorts ?? {})) map[port] = null;
  for (const { containerPort, protocol, hostIP, hostPort } of endpointsOf(ID).flatMap(({ ports }) => ports)) {
    const key = `${containerPort}/${protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: hostIP, HostPort: String(hostPort) }];
  }
  return map;
}
