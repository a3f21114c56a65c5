/** `docker restart`: stopped, where it runs, and started again over the same write layer, which `--rm` does not take. */
import { findContainer } from './containers.js';
import { recordContainerEvent } from './events.js';
import { withContainer } from './running-container.js';
import { type DetachedOptions, startDetached } from './start-detached.js';
import { type StopOptions, stopContainer } from './stop-container.js';
import type { Store } from './store.js';

/** Throws what `stopContainer` and `startDetached` throw. */
export async function restartContainer(
  store: Store,
  what: string,
  options: { readonly stop: StopOptions; readonly start: DetachedOptions },
): Promise<void> {
  const record = await findContainer(store, what);
  const wasTaken = await setAutoRemove(store, record.ID, false);
  try {
    await stopContainer(store, record.ID, options.stop);
  } finally {
    if (wasTaken) await setAutoRemove(store, record.ID, true);
  }
  await startDetached(store, record.ID, options.start);
  recordContainerEvent(store, record, 'restart');
}

/** Gives what it was. */
function setAutoRemove(store: Store, what: string, AutoRemove: boolean): Promise<boolean> {
  return withContainer(store, what, ({ id, records }) => {
    const before = records.hostConfig(id);
    if (before.AutoRemove !== AutoRemove)
      records.putHostConfig(id, { ...before, AutoRemove }, { sync: true });
    return before.AutoRemove;
  });
}
