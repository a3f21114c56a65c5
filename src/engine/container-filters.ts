/**
 * `docker ps --filter`: id, name, status, ancestor, label, exited, health, before, since, network, volume, publish, expose,
 * and podman's restart-policy and should-start-on-boot. Values of one name are alternatives, names all hold; `publish`
 * (8080, 8000-8100/udp: the host's ports) and `expose` (the container's) are alternatives to each other.
 */

import { GantryError, isGantryError } from '../core/errors.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { plainName } from '../runtime/container-record.js';
import { statusOf } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { startsAtBoot } from '../runtime/restart-policy.js';
import { listContainers } from './containers.js';
import { type Filters, isTrue, knownFilters, labelMatches } from './filters.js';
import { resolveImage } from './image-index.js';
import { containerPorts, type PortMap, wantedNetworks } from './network-settings.js';
import { listNetworks } from './networks.js';
import type { Store } from './store.js';

const NAMES = [
  'id',
  'name',
  'status',
  'ancestor',
  'label',
  'exited',
  'health',
  'before',
  'since',
  'network',
  'volume',
  'publish',
  'expose',
  'restart-policy',
  'should-start-on-boot',
];
const STATUSES = ['created', 'running', 'paused', 'restarting', 'exited', 'removing', 'dead'];
const HEALTH = ['starting', 'healthy', 'unhealthy', 'none'];

/** Throws ERR_INVALID_ARGUMENT for a filter that is not known, ERR_NOT_FOUND for a container of `before` and `since`. */
export function containerFilter(store: Store, filters: Filters): (record: ContainerRecord) => boolean {
  knownFilters(filters, NAMES);
  for (const status of filters.get('status') ?? []) {
    if (!STATUSES.includes(status)) {
      throw new GantryError('ERR_INVALID_ARGUMENT', `Invalid filter 'status=${status}'`);
    }
  }
  for (const health of filters.get('health') ?? []) {
    if (!HEALTH.includes(health)) {
      throw new GantryError('ERR_INVALID_ARGUMENT', `Invalid filter 'health=${health}'`);
    }
  }
  const records = new ContainerStore(store.root);
  const ancestors = filters.get('ancestor')?.map((name) => imageOrNothing(store, name));
  const created = (name: string) => filters.get(name)?.map((what) => records.find(what).Created);
  const atBoot = isTrue(filters, 'should-start-on-boot');
  const before = created('before');
  const since = created('since');
  const ports = portFilter(filters);
  const any = (name: string, matches: (value: string) => boolean) => filters.get(name)?.some(matches) ?? true;
  return (record) =>
    any('id', (value) => record.ID.startsWith(value)) &&
    any('name', (value) => new RegExp(value).test(plainName(record))) &&
    any('status', (value) => statusOf(record.State) === value) &&
    any(
      'exited',
      (value) => statusOf(record.State) === 'exited' && record.State.ExitCode === Number(value),
    ) &&
    any('health', (value) => (record.State.Health?.Status ?? 'none') === value) &&
    any('restart-policy', (value) => (records.hostConfig(record.ID).RestartPolicy?.Name || 'no') === value) &&
    (atBoot === undefined || startsAtBoot(record, records.hostConfig(record.ID)) === atBoot) &&
    (ancestors?.includes(record.Image) ?? true) &&
    (before?.some((moment) => record.Created < moment) ?? true) &&
    (since?.some((moment) => record.Created > moment) ?? true) &&
    any('network', (value) => isOnNetwork(store, record, value)) &&
    any('volume', (value) => hasVolume(record, value)) &&
    (ports === undefined || ports(containerPorts(record))) &&
    (filters.get('label') ?? []).every((wanted) => labelMatches(record.Config.Labels, wanted));
}

/** By the network's name or id. */
function isOnNetwork(store: Store, record: ContainerRecord, value: string): boolean {
  const names = Object.keys(wantedNetworks(record));
  if (names.includes(value)) return true;
  return listNetworks(store, new Map()).some(({ Name, Id }) => Id.startsWith(value) && names.includes(Name));
}

/** By a volume's name, a bind's source or where it is mounted. */
const hasVolume = ({ MountPoints }: ContainerRecord, value: string): boolean =>
  Object.values(MountPoints ?? {}).some(
    ({ Name, Source, Destination }) => (Name || Source) === value || Destination === value,
  );

/** Undefined when neither filter is given. ERR_INVALID_ARGUMENT for what is no port. */
export function portFilter(filters: Filters): ((ports: PortMap) => boolean) | undefined {
  const ranges = (name: string) => (filters.get(name) ?? []).map((text) => portRange(name, text));
  const publish = ranges('publish');
  const expose = ranges('expose');
  if (publish.length + expose.length === 0) return undefined;
  return (ports) =>
    Object.entries(ports).some(([port, bindings]) => {
      const [inside, protocol] = port.split('/');
      const within = (found: string | undefined) => (range: PortRange) =>
        range.protocol === protocol && Number(found) >= range.first && Number(found) <= range.last;
      return (
        expose.some(within(inside)) || (bindings ?? []).some(({ HostPort }) => publish.some(within(HostPort)))
      );
    });
}

interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: string;
}

function portRange(name: string, text: string): PortRange {
  const [, first, last = first, protocol = 'tcp'] = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (first === undefined || last === undefined || Number(first) > Number(last)) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `Invalid filter '${name}=${text}': expected a port or a range`,
    );
  }
  return { first: Number(first), last: Number(last), protocol };
}

/** The names of those that do not run and match, the oldest first: what `start --all` starts. */
export async function stoppedContainers(store: Store, filters: Filters): Promise<string[]> {
  const matches = containerFilter(store, filters);
  const stopped = ({ State }: ContainerRecord) => ['created', 'exited'].includes(statusOf(State));
  return (await listContainers(store))
    .filter((record) => stopped(record) && matches(record))
    .map(plainName)
    .reverse();
}

function imageOrNothing(store: Store, name: string): string | undefined {
  try {
    return resolveImage(store, name);
  } catch (error) {
    if (isGantryError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}
