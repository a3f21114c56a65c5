/**
 * A container onto its networks and off them.
 *
 *   openSandbox ─ attach (one network) … attach ──── runs, connects, disconnects ──── detach
 *
 * attach, where the file of the endpoint is written before each thing that it tells how to undo:
 *
 *   lock ─ ports ─ file ─ unlock ─┬─ bridge (host-local) ─ portmap ─┬─ where FORWARD could drop: file ─ firewall ─ file
 *                                 └─ iptables-save ─ masquerade ────┘
 *
 * The bridge plugin's own end waits for the kernel to unhook the veth, 30 ms. A veth ends with its namespace, so detach takes the
 * interface down inside (from then on nothing answers under its address), has host-local give the address back, and lets the namespace go:
 * the kernel takes it away, with the veth, right after its last process. Only who leaves a namespace that stays (disconnect, a failed attach,
 * the end of a container that others have joined) has the veth unhooked.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { errnoCode, GantryError } from '../../core/errors.js';
import type { Lock } from '../../core/lock.js';
import type { EndpointSettings } from '../create-request.js';
import { type CniCall, type CniOptions, checkNetworking, cniAdd, cniDelete } from './cni.js';
import {
  directoryOf,
  type Endpoint,
  endpointsOf,
  interfaceNumber,
  isJoined,
  lockNetworks,
  lockPlugins,
  namespacePath,
  putEndpoint,
  readEndpoints,
  removeEndpoint,
} from './endpoint.js';
import { hostRules, masquerade } from './firewall.js';
import { addDefaultRoute, setInterface } from './interface.js';
import { inNamespace, makeNamespace, releaseNamespace } from './namespace.js';
import type { Network } from './network-store.js';
import { bridge, FIREWALL, portmap } from './plugins.js';
import type { PublishedPort } from './ports.js';

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
  const working = await lockPlugins(options.containerID);
  try {
    return await setUp(await reserve(options), working);
  } finally {
    working?.release();
  }
}

async function setUp(reserved: Endpoint, working: Lock | undefined): Promise<Endpoint> {
  const { call, network } = reserved;
  let endpoint = reserved;
  const added = cniAdd(call, heldBy(working)); // first, because it takes longer
  const forwarded = openHost(network);
  forwarded.catch(() => {}); // told below
  try {
    const result = await added;
    endpoint = { ...endpoint, result };
    if (await forwarded) {
      putEndpoint(endpoint);
    } else {
      endpoint = { ...endpoint, call: { ...call, plugins: [...call.plugins, FIREWALL] } };
      putEndpoint(endpoint);
      await cniAdd({ ...call, plugins: [FIREWALL] }, { ...heldBy(working), before: result });
    }
    return endpoint;
  } catch (error) {
    await forwarded.catch(() => {}); // no rule comes after the end
    await undo(endpoint, working);
    // host-local's words for an address that was asked for.
    if (error instanceof GantryError && error.message.includes('is not available in range set')) {
      throw new GantryError('ERR_CONFLICT', 'Address already in use', { address: call.ip });
    }
    throw error;
  }
}

const heldBy = (lock: Lock | undefined): CniOptions => (lock === undefined ? {} : { held: lock.fd });

/** Its ports and its interface's name, so that no other gets them, and what to undo; nothing is set up yet. */
async function reserve({ publish, settings, ...own }: AttachOptions): Promise<Endpoint> {
  const { containerID, network } = own;
  const held = await lockNetworks();
  try {
    const ports = await publish(readEndpoints().flatMap((other) => other.ports));
    const others = endpointsOf(containerID);
    const isGateway = !network.Internal && !others.some((other) => other.isGateway);
    const ip = settings.IPAMConfig?.IPv4Address;
    const mac = settings.MacAddress;
    const call = {
      name: network.Bridge,
      plugins: [bridge(network, isGateway), ...(ports.length > 0 ? [portmap(ports)] : [])],
      containerID,
      netns: namespacePath(containerID),
      ifname: freeInterface(others),
      ...(ip === undefined ? {} : { ip }),
      ...(mac === undefined ? {} : { mac }),
    };
    const endpoint = { ...own, ports, isGateway, call };
    putEndpoint(endpoint);
    return endpoint;
  } finally {
    held.release();
  }
}

/** What the network needs of the host. True where nothing there could stop a container's packets. */
async function openHost(network: Network): Promise<boolean> {
  const rules = await hostRules(network);
  if (network.Internal || rules.masqueraded) return rules.forwardsFreely;
  const held = await lockNetworks();
  try {
    await masquerade(network);
  } finally {
    held.release();
  }
  return rules.forwardsFreely;
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
  const working = await lockPlugins(endpoint.containerID);
  try {
    return await undo(endpoint, working);
  } finally {
    working?.release();
  }
}

async function undo(endpoint: Endpoint, working: Lock | undefined): Promise<boolean> {
  const { containerID, call, result } = endpoint;
  const undone = await cniDelete(call, result, heldBy(working)).then(yes, no);
  if (undone) removeEndpoint(endpoint);
  const next = endpointsOf(containerID).find((other) => !other.network.Internal && other.result);
  if (endpoint.isGateway && next !== undefined) {
    inNamespace(call.netns, () => addDefaultRoute(next.network.Gateway));
    putEndpoint({ ...next, isGateway: true });
  }
  return undone;
}

/**
 * Gives addresses, ports and namespace back; does nothing for a container without. Its processes have ended. Never throws for a plugin
 * that fails, because the end of a container must be recorded all the same: then what to undo stays for the next call.
 */
export async function detach(id: string): Promise<void> {
  const directory = directoryOf(id);
  if (!existsSync(directory)) return;
  const working = await lockPlugins(id);
  try {
    for (const endpoint of endpointsOf(id)) {
      const { call, result } = endpoint;
      silence(call);
      const undone = cniDelete(call, result, { ...heldBy(working), withNamespace: !isJoined(id) });
      if (await undone.then(yes, no)) removeEndpoint(endpoint);
    }
  } finally {
    working?.release();
  }
  releaseNamespace(namespacePath(id));
  const left = endpointsOf(id).length > 0;
  rmSync(left ? namespacePath(id) : directory, { recursive: true, force: true });
}

function silence({ netns, ifname }: CniCall): void {
  try {
    inNamespace(netns, () => setInterface(ifname, 'down'));
  } catch (error) {
    // It never had a namespace, or no interface in it.
    if (!['EINVAL', 'ENOENT', 'ENODEV'].includes(errnoCode(error) ?? '')) throw error;
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;
