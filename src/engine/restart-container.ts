/** `docker restart`: stopped, where it runs, and started again over the same write layer. */
import { findContainer } from './containers.js';
import { recordContainerEvent } from './events.js';
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
  await stopContainer(store, record.ID, options.stop);
  await startDetached(store, record.ID, options.start);
  recordContainerEvent(store, record, 'restart');
}
