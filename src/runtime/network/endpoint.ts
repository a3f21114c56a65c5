/**
 * A container on a network, while it runs. The directory belongs to the host, not to a store, as bridges and ports do;
 * it goes with the boot, like what it tells of:
 *
 *   /run/gantry/network/lock                      held while ports are given away or a network is removed
 *   /run/gantry/network/ipam/<bridge>/            host-local's leases
 *   /run/gantry/network/endpoints/<container id>/
 *       endpoint.json                             written before anything is set up, so that a kill leaves what to undo
 *       netns                                     the namespace (namespace.ts)
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../core/atomic.js';
import { errnoCode } from '../../core/errors.js';
import { type Lock, lock } from '../../core/lock.js';
import { type CniCall, type CniResult, cniAdd, cniDelete, findPlugins } from './cni.js';
import { makeNamespace, releaseNamespace } from './namespace.js';
import type { Network } from './network-store.js';
import type { PublishedPort } from './ports.js';

const DIRECTORY = '/run/gantry/network';
const PLUGINS = ['bridge', 'host-local', 'portmap', 'firewall'];

export interface Endpoint {
  readonly containerID: string;
  /** The container's, for who looks at the network. */
  readonly containerName: string;
  /** What others on its network find it under: name, id, hostname. */
  readonly names: readonly string[];
  /** Its hosts file. */
  readonly hostsPath: string;
  readonly network: Network;
  readonly ports: readonly PublishedPort[];
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

export function lockNetworks(): Promise<Lock> {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  return lock(join(DIRECTORY, 'lock'));
}

export function readEndpoint(id: string): Endpoint | undefined {
  try {
    return JSON.parse(readFileSync(join(directoryOf(id), 'endpoint.json'), 'utf8')) as Endpoint;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of every store on this host. */
export function readEndpoints(): Endpoint[] {
  try {
    return readdirSync(join(DIRECTORY, 'endpoints')).flatMap((id) => readEndpoint(id) ?? []);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

export function addressOf({ result }: Endpoint): Address | undefined {
  const ip = result?.ips?.[0];
  if (ip === undefined) return undefined;
  const [address, bits] = ip.address.split('/') as [string, string];
  const mac = result?.interfaces?.find((one) => one.sandbox)?.mac ?? '';
  return { address, bits: Number(bits), gateway: ip.gateway ?? '', mac };
}

export interface AttachOptions
  extends Pick<Endpoint, 'containerID' | 'containerName' | 'names' | 'hostsPath' | 'network'> {
  /** Asked while no other container can be given a port; `taken` are those of running ones. */
  readonly publish: (taken: readonly PublishedPort[]) => Promise<readonly PublishedPort[]>;
}

/** Makes a namespace and puts it on the network. ERR_RUNTIME_MISSING, ERR_CONFLICT for a port, ERR_RUNTIME. */
export async function attach(options: AttachOptions): Promise<Endpoint> {
  const { publish, ...own } = options;
  const { containerID, network } = own;
  findPlugins(PLUGINS);
  await detach(containerID); // what a start that was killed left
  const directory = directoryOf(containerID);
  const held = await lockNetworks();
  let endpoint: Endpoint;
  try {
    const ports = await publish(readEndpoints().flatMap((other) => other.ports));
    const call = cniCall(network, ports, containerID, join(directory, 'netns'));
    endpoint = { ...own, ports, call };
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileAtomic(join(directory, 'endpoint.json'), JSON.stringify(endpoint));
  } finally {
    held.release();
  }
  try {
    makeNamespace(endpoint.call.netns);
    const attached = { ...endpoint, result: await cniAdd(endpoint.call) };
    writeFileAtomic(join(directory, 'endpoint.json'), JSON.stringify(attached));
    return attached;
  } catch (error) {
    await detach(containerID);
    throw error;
  }
}

/**
 * Gives address, ports and namespace back; does nothing for a container without. Never throws for a plugin that fails,
 * because the end of a container must be recorded all the same: then endpoint.json stays and the next call tries again.
 */
export async function detach(id: string): Promise<void> {
  const directory = directoryOf(id);
  if (!existsSync(directory)) return;
  const endpoint = readEndpoint(id);
  const undone = endpoint === undefined || (await cniDelete(endpoint.call, endpoint.result).then(yes, no));
  releaseNamespace(join(directory, 'netns'));
  await rm(undone ? directory : join(directory, 'netns'), { recursive: true, force: true });
}

const yes = (): boolean => true;
const no = (): boolean => false;

function cniCall(
  network: Network,
  ports: readonly PublishedPort[],
  containerID: string,
  netns: string,
): CniCall {
  const { Bridge, Subnet, Gateway, Internal } = network;
  const bridge = {
    type: 'bridge',
    bridge: Bridge,
    isGateway: true,
    isDefaultGateway: !Internal,
    ipMasq: !Internal,
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
  const plugins = [bridge, ...(ports.length > 0 ? [portmap] : []), { type: 'firewall' }];
  return { name: Bridge, plugins, containerID, netns };
}
