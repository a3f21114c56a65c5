/** `docker ps --filter`: id, name, status, ancestor, label, exited. Values of one name are alternatives, names all hold. */

import { GantryError, isGantryError } from '../core/errors.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { plainName } from '../runtime/container-record.js';
import { statusOf } from '../runtime/container-state.js';
import { type Filters, knownFilters, labelMatches } from './filters.js';
import { resolveImage } from './image-index.js';
import type { Store } from './store.js';

const STATUSES = ['created', 'running', 'paused', 'restarting', 'exited', 'removing', 'dead'];

/** Throws ERR_INVALID_ARGUMENT for a filter that is not known. */
export function containerFilter(store: Store, filters: Filters): (record: ContainerRecord) => boolean {
  knownFilters(filters, ['id', 'name', 'status', 'ancestor', 'label', 'exited']);
  for (const status of filters.get('status') ?? []) {
    if (!STATUSES.includes(status)) {
      throw new GantryError('ERR_INVALID_ARGUMENT', `Invalid filter 'status=${status}'`);
    }
  }
  const ancestors = filters.get('ancestor')?.map((name) => imageOrNothing(store, name));
  const any = (name: string, matches: (value: string) => boolean) => filters.get(name)?.some(matches) ?? true;
  return (record) =>
    any('id', (value) => record.ID.startsWith(value)) &&
    any('name', (value) => new RegExp(value).test(plainName(record))) &&
    any('status', (value) => statusOf(record.State) === value) &&
    any(
      'exited',
      (value) => statusOf(record.State) === 'exited' && record.State.ExitCode === Number(value),
    ) &&
    (ancestors?.includes(record.Image) ?? true) &&
    (filters.get('label') ?? []).every((wanted) => labelMatches(record.Config.Labels, wanted));
}

function imageOrNothing(store: Store, name: string): string | undefined {
  try {
    return resolveImage(store, name);
  } catch (error) {
    if (isGantryError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}
