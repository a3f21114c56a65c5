/**
 * `docker start -a` and `-i`: a container under its own conmon, its streams joined with the caller's from its first byte
 * on. It outlives the caller, unlike one of `run` in the foreground; one that runs already is only attached to.
 */
import { type Attachment, attachTo } from '../runtime/attach-socket.js';
import { type AttachOptions, attachContainer, checkTyping, joinContainer } from './attach-container.js';
import { type DetachedOptions, startUnlessRunning } from './start-detached.js';
import type { Store } from './store.js';

/**
 * Until the container ends: its exit code. Until the detach keys: undefined. Throws what `startDetached` and
 * `attachContainer` throw.
 */
export async function startAttached(
  store: Store,
  what: string,
  options: AttachOptions & DetachedOptions,
): Promise<number | undefined> {
  let attachment: Attachment | undefined;
  const onCreated = (bundle: string): void => {
    attachment = attachTo(bundle);
  };
  try {
    const check = (record: Parameters<typeof checkTyping>[0]) => checkTyping(record, options);
    const running = await startUnlessRunning(store, what, { ...options, onCreated }, check);
    if (attachment === undefined) return await attachContainer(store, running.ID, options);
    return await joinContainer(store, running, attachment, options);
  } catch (error) {
    attachment?.close();
    throw error;
  }
}
