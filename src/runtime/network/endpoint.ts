/**
 * A container's place on networks, while it runs: one network namespace, and an endpoint for each network. The directory
 * belongs to the host, not to a store, as bridges and ports do; it goes with the boot, like what it tells of:
 *
 *   /run/gantry/network/lock                      held while ports are given away or a network is removed
 *   /run/gantry/network/ipam/<bridge>/            host-local's leases
 *   /run/gantry/network/endpoints/<container id>/
 *       netns                                     the namespace (namespace.ts)
 *       <network id>.json                         written before anything is set up, so that a kill leaves what to undo
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../core/atomic.js';
import { errnoCode, GantryError } from '../../core/errors.js';
import { type Lock, lock } from '../../core/lock.js';
import type { EndpointSettings } from '../create-request.js';
import { type CniCall, type CniPlugin, type CniResult, checkNetworking, cniAdd, cniDelete } from './cni.js';
import { forwardsFreely, masquerade } from './firewall.js';
import { addDefaultRoute } from './interface.js';
import { inNamespace, makeNamespace, releaseNamespace } from './namespace.js';
import type { Network } from './network-store.js';
import type { PublishedPort } from './ports.js';

const DIRECTORY = '/run/gantry/network';

export interface Endpoint {
  readonly containerID: string;
  /** The container's, for who looks at the network. */
  readonly containerName: string;
  /** What others on its network find it under: name, id, hostname, aliases. */
  readonly names: readonly string[];
  /** Its hosts file. */
  readonly hostsPath: string;
  readonly network: Network;
  readonly ports: readonly PublishedPort[];
  /** The container's default route leads here. */
  readonly isGateway: boolean;
  readonly call: CniCall;
  /** Not there until it is set up. */
  readonly result?: CniResult;
}

export interface Address {
  readonly address: string;
  readonly bits: number;
  readonly gateway: string;
  readonly mac: string;
}

const directoryOf = (id: string): string => join(DIRECTORY, 'endpoints', id);
const fileOf = (id: string, networkID: string): string => join(directoryOf(id), `${networkID}.json`);
export const namespacePath = (id: string): string => join(directoryOf(id), 'netns');

export function lockNetworks(): Promise<Lock> {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  return lock(join(DIRECTORY, 'lock'));
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Of one container, in the order of their interfaces. */
export function endpointsOf(id: string): Endpoint[] {
  const files = list(directoryOf(id)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
  const endpoints = files.flatMap((name) => {
    try {
      return JSON.parse(readFileSync(join(directoryOf(id), name), 'utf8')) as Endpoint;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
  });
  return endpoints.sort((a, b) => interfaceNumber(a) - interfaceNumber(b));
}

/** Of every store on this host. */
export const readEndpoints = (): Endpoint[] => list(join(DIRECTORY, 'endpoints')).flatMap(endpointsOf);

const interfaceNumber = ({ call }: Endpoint): number => Number(call.ifname.replace('eth', ''));

/** Undefined until it is set up. */
export function addressOf({ result }: Endpoint): Address | undefined {
  const ip = result?.ips?.[0];
  if (ip === undefined) return undefined;
  const [address, bits] = ip.address.split('/') as [string, string];
  const mac = result?.interfaces?.find((one) => one.sandbox)?.mac ?? '';
  return { address, bits: Number(bits), gateway: ip.gateway ?? '', mac };
}

/** A namespace for a container that is about to start. ERR_RUNTIME_MISSING where networks cannot be. */
export async function openSandbox(id: string): Promise<void> {
  checkNetworking();
  await detach(id); // what a start that was killed left
  mkdirSync(directoryOf(id), { recursive: true, mode: 0o700 });
  makeNamespace(namespacePath(id));
}

export interface AttachOptions
  extends Pick<Endpoint, 'containerID' | 'containerName' | 'names' | 'hostsPath' | 'network'> {
  readonly settings: EndpointSettings;
  /** Asked while no other container can be given a port; `taken` are those of running ones. */
  readonly publish: (taken: readonly PublishedPort[]) => Promise<readonly PublishedPort[]>;
}

/** Puts a container's namespace on one more network. ERR_CONFLICT for a port, ERR_RUNTIME. */
export async function attach(options: AttachOptions): Promise<Endpoint> {
  const { publish, settings, ...own } = options;
  const { containerID, network } = own;
  const file = fileOf(containerID, network.Id);
  const held = await lockNetworks();
  let endpoint: Endpoint;
  try {
    const [free] = await Promise.all([forwardsFreely(), network.Internal || masquerade(network)]);
    const ports = await publish(readEndpoints().flatMap((other) => other.ports));
    const others = endpointsOf(containerID);
    const isGateway = !network.Internal && !others.some((other) => other.isGateway);
    const ip = settings.IPAMConfig?.IPv4Address;
    const mac = settings.MacAddress;
    const call = {
      name: network.Bridge,
      plugins: plugins(network, ports, { isDefaultGateway: isGateway, firewall: !free }),
      containerID,
      netns: namespacePath(containerID),
      ifname: freeInterface(others),
      ...(ip === undefined ? {} : { ip }),
      ...(mac === undefined ? {} : { mac }),
    };
    endpoint = { ...own, ports, isGateway, call };
    writeFileAtomic(file, JSON.stringify(endpoint));
  } finally {
    held.release();
  }
  try {
    const attached = { ...endpoint, result: await cniAdd(endpoint.call) };
    writeFileAtomic(file, JSON.stringify(attached));
    return attached;
  } catch (error) {
    await detachFrom(endpoint);
    // host-local's words for an address that was asked for.
    if (error instanceof GantryError && error.message.includes('is not available in range set')) {
      throw new GantryError('ERR_CONFLICT', 'Address already in use', { address: endpoint.call.ip });
    }
    throw error;
  }
}

function freeInterface(others: readonly Endpoint[]): string {
  const taken = new Set(others.map(interfaceNumber));
  let free = 0;
  while (taken.has(free)) free++;
  return `eth${free}`;
}

/**
 * Takes a container off one network; the default route goes over to another. False when a plugin fails: then its file
 * stays, and the next call tries again.
 */
export async function detachFrom(endpoint: Endpoint): Promise<boolean> {
  const { containerID, network, call, result } = endpoint;
  const undone = await cniDelete(call, result).then(yes, no);
  if (undone) rmSync(fileOf(containerID, network.Id), { force: true });
  const next = endpointsOf(containerID).find((other) => !other.network.Internal && other.result);
  if (endpoint.isGateway && next !== undefined) {
    inNamespace(call.netns, () => addDefaultRoute(next.network.Gateway));
    writeFileAtomic(fileOf(containerID, next.network.Id), JSON.stringify({ ...next, isGateway: true }));
  }
  return undone;
}

/**
 * Gives addresses, ports and namespace back; does nothing for a container without. Never throws for a plugin that fails,
 * because the end of a container must be recorded all the same: then what to undo stays for the next call.
 */
export async function detach(id: string): Promise<void> {
  const directory = directoryOf(id);
  if (!existsSync(directory)) return;
  for (const { call, result, network } of endpointsOf(id)) {
    if (await cniDelete(call, result).then(yes, no)) rmSync(fileOf(id, network.Id), { force: true });
  }
  releaseNamespace(namespacePath(id));
  const left = endpointsOf(id).length > 0;
  await rm(left ? namespacePath(id) : directory, { recursive: true, force: true });
}

const yes = (): boolean => true;
const no = (): boolean => false;

function plugins(
  { Bridge, Subnet, Gateway }: Network,
  ports: readonly PublishedPort[],
  { isDefaultGateway, firewall }: { readonly isDefaultGateway: boolean; readonly firewall: boolean },
): CniPlugin[] {
  const bridge = {
    type: 'bridge',
    bridge: Bridge,
    isGateway: true,
    isDefaultGateway,
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      dataDir: join(DIRECTORY, 'ipam'),
      ranges: [[{ subnet: Subnet, gateway: Gateway }]],
    },
  };
  const portMappings = ports.map(({ hostIP, ...port }) => ({
    ...port,
    ...(hostIP === '0.0.0.0' ? {} : { hostIP }),
  }));
  const portmap = {
    type: 'portmap',
    capabilities: { portMappings: true },
    runtimeConfig: { portMappings },
  };
  return [bridge, ...(ports.length > 0 ? [portmap] : []), ...(firewall ? [{ type: 'firewall' }] : [])];
}
