/** `docker rename`. */
import { GantryError } from '../core/errors.js';
import { plainName } from '../runtime/container-record.js';
import { checkContainerName } from '../runtime/names.js';
import { enter } from './create-container.js';
import { recordContainerEvent } from './events.js';
import { withContainer } from './running-container.js';
import type { Store } from './store.js';

/** ERR_INVALID_ARGUMENT for a name that cannot be, ERR_CONFLICT for one in use, ERR_NOT_FOUND. */
export async function renameContainer(store: Store, what: string, name: string): Promise<void> {
  if (what === '' || name === '') {
    throw new GantryError('ERR_INVALID_ARGUMENT', 'Neither old nor new names may be empty');
  }
  const asked = checkContainerName(name.replace(/^\//, ''));
  await withContainer(store, what, async ({ records, record }) => {
    if (plainName(record) === asked) {
      throw new GantryError(
        'ERR_INVALID_ARGUMENT',
        'Renaming a container with the same name as its current name',
      );
    }
    await enter(store, records, record, { asked, sync: true });
    recordContainerEvent(store, { ...record, Name: `/${asked}` }, 'rename', { oldName: record.Name });
  });
}
