/**
 * `docker ps --filter`: id, name, status, ancestor, label, exited, health, and podman's restart-policy and should-start-on-boot.
 * Values of one name are alternatives, names all hold.
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
import type { Store } from './store.js';

const NAMES = [
  'id',
  'name',
  'status',
  'ancestor',
  'label',
  'exited',
  'health',
  'restart-policy',
  'should-start-on-boot',
];
const STATUSES = ['created', 'running', 'paused', 'restarting', 'exited', 'removing', 'dead'];
const HEALTH = ['starting', 'healthy', 'unhealthy', 'none'];

/** Throws ERR_INVALID_ARGUMENT for a filter that is not known. */
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
  const ancestors = filters.get('ancestor')?.map((name) => imageOrNothing(store, name));
  const atBoot = isTrue(filters, 'should-start-on-boot');
  const records = new ContainerStore(store.root);
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
    (filters.get('label') ?? []).every((wanted) => labelMatches(record.Config.Labels, wanted));
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
