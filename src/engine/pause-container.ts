/** `docker pause` and `unpause`: the container's cgroup frozen and thawed by the runtime. */
import { GantryError } from '../core/errors.js';
import { transition } from '../runtime/container-state.js';
import { runtimeCommand } from '../runtime/oci-runtime.js';
import { recordContainerEvent } from './events.js';
import { notRunning, runtimeOf, withContainer } from './running-container.js';
import type { Store } from './store.js';

/** ERR_NOT_FOUND; ERR_CONFLICT for one that is paused or does not run. */
export const pauseContainer = (store: Store, what: string): Promise<void> => freeze(store, what, 'pause');

/** ERR_NOT_FOUND; ERR_CONFLICT for one that is not paused. */
export const unpauseContainer = (store: Store, what: string): Promise<void> => freeze(store, what, 'unpause');

function freeze(store: Store, what: string, to: 'pause' | 'unpause'): Promise<void> {
  return withContainer(store, what, async ({ id, records, record }) => {
    const { State } = record;
    if (to === 'pause' && !State.Running) throw notRunning(id);
    if (State.Paused === (to === 'pause')) {
      throw new GantryError('ERR_CONFLICT', `Container ${id} is ${State.Paused ? 'already' : 'not'} paused`);
    }
    const moved = { ...record, State: transition(State, { to }) };
    const { status, stderr } = await runtimeCommand(runtimeOf(store, id), [
      to === 'pause' ? 'pause' : 'resume',
      id,
    ]);
    if (status !== 0) throw new GantryError('ERR_RUNTIME', `cannot ${to} container ${id}: ${stderr.trim()}`);
    records.put(moved, { sync: false });
    recordContainerEvent(store, record, to);
  });
}
