/**
 * `gantry container health-monitor`: one process for each store root that probes every running container with a health
 * check. It holds the lock `containers/health` for as long as it serves, so there is one, and its death is seen by all.
 *
 *   starter:  record "running" ─ lock free? ─ yes: start a monitor
 *   monitor:  lock ─ probe what is due, again and again ─ nobody left: unlock ─ somebody after all? ─ yes: from the start
 *
 * A starter that finds the lock held wrote its record before the unlock, so the last look sees it. Schedule and streak are
 * in the records (runtime/health.ts): a monitor that was killed loses nothing but the probe it was at.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerID } from '../core/ids.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import { afterProbe, type Health, nextProbe, probeCommand, probeTimeout } from '../runtime/health.js';
import { recordContainerEvent } from './events.js';
import { probeHealth } from './health-probe.js';
import type { Store } from './store.js';

/** How late a container that was just started is noticed. */
const LOOK_MS = 1000;
/** Others have the lock for a moment when they see whether it is free, and start a monitor then. */
const LOCK_MS = 200;

export async function monitorHealth(store: Store, signal: AbortSignal): Promise<void> {
  const records = new ContainerStore(store.root);
  while (!signal.aborted && watched(records).length > 0) {
    const patience = { signal: AbortSignal.timeout(LOCK_MS) };
    const held = await store.lockNamed('containers', 'health', patience).catch(() => undefined);
    if (held === undefined) return; // another one serves
    try {
      await serve(store, records, signal);
    } finally {
      held.release();
    }
  }
}

type Watched = ContainerRecord & { readonly State: { readonly Health: Health } };

const isWatched = (record: ContainerRecord): record is Watched =>
  record.State.Running && record.State.Health !== undefined;

const watched = (records: ContainerStore): Watched[] => records.list().filter(isWatched);

/** Until there is nothing to watch any more. */
async function serve(store: Store, records: ContainerStore, signal: AbortSignal): Promise<void> {
  const probes = new Map<ContainerID, Promise<void>>();
  while (!signal.aborted) {
    const all = watched(records);
    if (all.length === 0) return;
    const now = Date.now();
    let next = now + LOOK_MS;
    for (const record of all) {
      const { ID: id, State } = record;
      if (State.Paused || probes.has(id)) continue;
      const due = nextProbe(State.Health, record.Config.Healthcheck ?? {}, State.StartedAt, now);
      if (due > now) next = Math.min(next, due);
      else
        probes.set(
          id,
          probe(store, records, record)
            // One that cannot be probed, or written down (a full disk), leaves the others their checks.
            .catch(() => sleep(LOOK_MS))
            .finally(() => probes.delete(id)),
        );
    }
    const pause = sleep(next - now, undefined, { signal }).catch(() => {}); // aborted: the loop ends
    await Promise.race([pause, ...probes.values()]);
  }
}

async function probe(
  store: Store,
  records: ContainerStore,
  { ID: id, Config, State }: Watched,
): Promise<void> {
  const command = probeCommand(Config);
  const check = Config.Healthcheck ?? {};
  const result = command && (await probeHealth(store, id, { command, timeout: probeTimeout(check) }));
  if (result === undefined) {
    await sleep(LOOK_MS);
    return;
  }
  const held = await store.lockNamed('containers', id);
  try {
    const record = records.get(id);
    // What a run before this one, or one that was frozen meanwhile, answered does not count.
    if (record === undefined || !isWatched(record) || record.State.Paused) return;
    if (record.State.StartedAt !== State.StartedAt) return;
    const Health = afterProbe(record.State.Health, result, check, State.StartedAt);
    records.put({ ...record, State: { ...record.State, Health } }, { sync: false });
    if (Health.Status !== record.State.Health.Status) {
      recordContainerEvent(store, record, `health_status: ${Health.Status}`);
    }
  } finally {
    held.release();
  }
}
