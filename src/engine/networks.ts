/**
 * `docker network`: those of the host and those that were made. A network is in use while a running container is on
 * it; one that is gone is told at the next start.
 */
import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { GantryError, isGantryError } from '../core/errors.js';
import { invalid } from '../runtime/flags/invalid.js';
import { addressOf, lockNetworks, readEndpoints } from '../runtime/network/endpoint.js';
import { stopMasquerade } from '../runtime/network/firewall.js';
import { deleteBridge } from '../runtime/network/interface.js';
import { isPredefined, type Network, NetworkStore, predefinedID } from '../runtime/network/network-store.js';
import {
  contains,
  firstAddress,
  freeSubnet,
  overlap,
  parseSubnet,
  routes,
  subnetText,
} from '../runtime/network/subnet.js';
import { recordNetworkEvent } from './events.js';
import { type Filters, knownFilters, labelMatches } from './filters.js';
import { endpointID } from './network-settings.js';
import type { Store } from './store.js';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** A network as lists show it. */
export interface NetworkSummary {
  readonly Name: string;
  readonly Id: string;
  readonly Driver: 'bridge' | 'host' | 'null';
  /** Not of `host` and `none`. */
  readonly network?: Network;
}

export interface CreateNetworkOptions {
  readonly name: string;
  /** A free one without it. */
  readonly subnet?: string;
  /** The subnet's first address without it. */
  readonly gateway?: string;
  readonly internal?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Gives the id. ERR_CONFLICT for a name or subnet that is taken, ERR_INVALID_ARGUMENT. Needs no plugin yet. */
export async function createNetwork(store: Store, options: CreateNetworkOptions): Promise<string> {
  const { name } = options;
  if (!NAME.test(name))
    throw invalid(`invalid network name ${JSON.stringify(name)}: expected ${NAME.source}`);
  const asked = options.subnet === undefined ? undefined : parseSubnet(options.subnet);
  const held = await lockNetworks();
  try {
    const networks = new NetworkStore(store.root);
    if (listAll(networks).some((other) => other.Name === name)) {
      throw new GantryError('ERR_CONFLICT', `network with name ${name} already exists`);
    }
    const taken = [...routes(), ...[networks.bridge(), ...networks.list()].map(subnetOf)];
    if (asked !== undefined && taken.some((other) => overlap(asked, other))) {
      throw new GantryError(
        'ERR_CONFLICT',
        `invalid pool request: Pool overlaps with other one on this address space: ${options.subnet}`,
      );
    }
    const subnet = asked ?? freeSubnet(taken);
    const Gateway = options.gateway ?? firstAddress(subnet);
    if (!isIPv4(Gateway) || !contains(subnet, Gateway)) {
      throw invalid(`no matching subnet for gateway ${Gateway}`);
    }
    const Id = randomBytes(32).toString('hex');
    const network = {
      Name: name,
      Id,
      Created: new Date().toISOString(),
      Bridge: `gn-${Id.slice(0, 12)}`,
      Subnet: subnetText(subnet),
      Gateway,
      Internal: options.internal ?? false,
      Labels: options.labels ?? {},
    };
    networks.put(network);
    recordNetworkEvent(store, network, 'create');
    return Id;
  } finally {
    held.release();
  }
}

const subnetOf = ({ Subnet }: Network) => parseSubnet(Subnet);

function listAll(networks: NetworkStore): NetworkSummary[] {
  const bridges = [networks.bridge(), ...networks.list()].map(
    (network) => ({ Name: network.Name, Id: network.Id, Driver: 'bridge', network }) as const,
  );
  const plain = [
    { Name: 'host', Id: predefinedID('host'), Driver: 'host' },
    { Name: 'none', Id: predefinedID('none'), Driver: 'null' },
  ] as const;
  return [...bridges, ...plain].sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

/** Filters: name, id, driver, label, type (builtin or custom). */
export function listNetworks(store: Store, filters: Filters): NetworkSummary[] {
  knownFilters(filters, ['name', 'id', 'driver', 'label', 'type']);
  const any = (name: string, matches: (value: string) => boolean) => filters.get(name)?.some(matches) ?? true;
  return listAll(new NetworkStore(store.root)).filter(
    ({ Name, Id, Driver, network }) =>
      any('name', (value) => Name.includes(value)) &&
      any('id', (value) => Id.startsWith(value)) &&
      any('driver', (value) => Driver === value) &&
      any('type', (value) => value === (isPredefined(Name) ? 'builtin' : 'custom')) &&
      (filters.get('label') ?? []).every((wanted) => labelMatches(network?.Labels, wanted)),
  );
}

/** By name, id, or the beginning of an id that no other shares. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export function findNetwork(store: Store, what: string): NetworkSummary {
  const all = listAll(new NetworkStore(store.root));
  const exact = all.find(({ Name, Id }) => Name === what || Id === what);
  if (exact !== undefined) return exact;
  const begun = what === '' ? [] : all.filter(({ Id }) => Id.startsWith(what));
  if (begun.length === 1) return begun[0]!;
  if (begun.length === 0) throw new GantryError('ERR_NOT_FOUND', `network ${what} not found`);
  throw new GantryError(
    'ERR_AMBIGUOUS',
    `network ${what} is ambiguous (${begun.length} matches found on ID prefix)`,
  );
}

/** Docker's document. */
export function inspectNetwork(store: Store, what: string): Readonly<Record<string, unknown>> {
  const { Name, Id, Driver, network } = findNetwork(store, what);
  const containers = readEndpoints().flatMap((endpoint) => {
    const address = addressOf(endpoint);
    if (endpoint.network.Id !== Id || address === undefined) return [];
    const document = {
      Name: endpoint.containerName,
      EndpointID: endpointID(endpoint.containerID, Id),
      MacAddress: address.mac,
      IPv4Address: `${address.address}/${address.bits}`,
      IPv6Address: '',
    };
    return [[endpoint.containerID, document] as const];
  });
  return {
    Name,
    Id,
    Created: network?.Created ?? '0001-01-01T00:00:00Z',
    Scope: 'local',
    Driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: network === undefined ? null : [{ Subnet: network.Subnet, Gateway: network.Gateway }],
    },
    Internal: network?.Internal ?? false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(containers),
    Options: network === undefined ? {} : { 'com.docker.network.bridge.name': network.Bridge },
    Labels: network?.Labels ?? {},
  };
}

/**
 * Its bridge too. ERR_NOT_FOUND (with `force` false is given), ERR_CONFLICT for a predefined one, ERR_IN_USE.
 */
export async function removeNetwork(
  store: Store,
  what: string,
  options: { readonly force?: boolean } = {},
): Promise<boolean> {
  const held = await lockNetworks();
  try {
    const { Name, network } = findNetwork(store, what);
    if (isPredefined(Name) || network === undefined) {
      throw new GantryError('ERR_CONFLICT', `${Name} is a pre-defined network and cannot be removed`);
    }
    const users = readEndpoints().filter((endpoint) => endpoint.network.Id === network.Id);
    if (users.length > 0) {
      const names = users.map((user) => `name:"${user.containerName}" id:"${user.containerID.slice(0, 12)}"`);
      throw new GantryError('ERR_IN_USE', `network ${Name} has active endpoints (${names.join(', ')})`);
    }
    await stopMasquerade(network);
    deleteBridge(network.Bridge);
    new NetworkStore(store.root).remove(network);
    recordNetworkEvent(store, network, 'destroy');
    return true;
  } catch (error) {
    if (options.force && isGantryError(error, 'ERR_NOT_FOUND')) return false;
    throw error;
  } finally {
    held.release();
  }
}
