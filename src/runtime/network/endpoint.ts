/**
 * A container's place on networks, while it runs: one network namespace, and an endpoint for each network. The directory
 * belongs to the host, not to a store, as bridges and ports do; it goes with the boot, like what it tells of:
 *
 *   /run/gantry/network/lock                      held while ports are given away, a network is removed, a rule is added
 *   /run/gantry/network/ipam/<bridge>/            host-local's leases
 *   /run/gantry/network/endpoints/<container id>/
 *       netns                                     the namespace (namespace.ts)
 *       plugins                                   held while plugins are at work for it, by these too
 *       joined                                    there once another container has joined the namespace
 *       <network id>.json                         written before anything is set up, so that a kill leaves what to undo
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../core/atomic.js';
import { errnoCode } from '../../core/errors.js';
import { type Lock, lock, tryLock } from '../../core/lock.js';
import { type CniCall, type CniResult, PLUGIN_MS } from './cni.js';
import type { Network } from './network-store.js';
import type { PublishedPort } from './ports.js';

const DIRECTORY = '/run/gantry/network';
/** host-local's, for each bridge. */
export const LEASES = join(DIRECTORY, 'ipam');

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

export const directoryOf = (id: string): string => join(DIRECTORY, 'endpoints', id);
const fileOf = (id: string, networkID: string): string => join(directoryOf(id), `${networkID}.json`);
export const namespacePath = (id: string): string => join(directoryOf(id), 'netns');

const joinedPath = (id: string): string => join(directoryOf(id), 'joined');
/** Its namespace may stay when it ends. */
export const isJoined = (id: string): boolean => existsSync(joinedPath(id));

/** Does nothing for a container that is on no network. */
export function markJoined(id: string): void {
  try {
    closeSync(openSync(joinedPath(id), 'w', 0o600));
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
}

export function lockNetworks(): Promise<Lock> {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  return lock(join(DIRECTORY, 'lock'));
}

/**
 * Before the plugins of a container: waits for those that a gantry left behind that was killed. What they still do would
 * come after it was undone. Undefined when they hang.
 */
export async function lockPlugins(id: string): Promise<Lock | undefined> {
  const path = join(directoryOf(id), 'plugins');
  return tryLock(path) ?? lock(path, { signal: AbortSignal.timeout(PLUGIN_MS) }).catch(() => undefined);
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

export function putEndpoint(endpoint: Endpoint): void {
  writeFileAtomic(fileOf(endpoint.containerID, endpoint.network.Id), JSON.stringify(endpoint));
}

/** When nothing of it is left to undo. */
export function removeEndpoint({ containerID, network }: Endpoint): void {
  rmSync(fileOf(containerID, network.Id), { force: true });
}

/** Of every store on this host. */
export const readEndpoints = (): Endpoint[] => list(join(DIRECTORY, 'endpoints')).flatMap(endpointsOf);

export const interfaceNumber = ({ call }: Endpoint): number => Number(call.ifname.replace('eth', ''));

/** Undefined until it is set up. */
export function addressOf({ result }: Endpoint): Address | undefined {
  const ip = result?.ips?.[0];
  if (ip === undefined) return undefined;
  const [address, bits] = ip.address.split('/') as [string, string];
  const mac = result?.interfaces?.find((one) => one.sandbox)?.mac ?? '';
  return { address, bits: Number(bits), gateway: ip.gateway ?? '', mac };
}
