/**
 * The containers of a store as they are now. A record may lag behind: the process that should have written a
 * container's end was killed, or the machine went down. Whoever looks settles such records first:
 *
 *   its process is gone, its supervisor too      exited 137 (the watchdog killed it), 255 after another boot
 *   its process lives, its supervisor is gone    killed now (a foreground container ends with its CLI): exited 137
 *   its supervisor lives                         left alone: the end is being written, or nothing is wrong
 *
 * and what the dead left (mount, cgroup, bundle, `--rm` containers, whole or half removed) goes with it. A detached
 * container's supervisor is conmon, and its word counts (detachedEnd): the exit file, else the process (it lives on without
 * conmon), else a living conmon is waited for, else 255 "supervisor lost": never 0. What an end takes away
 * is in end-container.ts.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { spawnProcess } from '../core/spawn.js';
import { bundleDirectory } from '../runtime/bundle-directory.js';
import { recordedExit, recordedOom } from '../runtime/conmon.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { type Move, NEVER, statusOf, transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { isAlive } from '../runtime/process-identity.js';
import { reap } from '../runtime/reap.js';
import { wantsRestart } from '../runtime/restart-policy.js';
import { cleanupCommand } from './cleanup-command.js';
import { detachNetworks } from './container-network.js';
import { conclude, discard, recordEnd, releaseResources, usedBy } from './end-container.js';
import { recordContainerEvent } from './events.js';
import { writeExitStats } from './exit-stats.js';
import { startHealthMonitor } from './start-health-monitor.js';
import type { Store } from './store.js';
import type { UsedResources } from './used-resources.js';

const KILLED = 128 + 9;
const LOST = 255;
/** For conmon to write the end down, and for others to let go of the lock. */
const SETTLE_MS = 3000;
/** A start holds the lock for so long, or for moments after it was killed: a child that was just forked has it too. */
const STARTING_MS = 100;
const POLL_MS = 5;

/** Every container, newest first, settled as far as the caller may: a list is worth more than none. */
export async function listContainers(store: Store): Promise<ContainerRecord[]> {
  const records = new ContainerStore(store.root);
  await Promise.allSettled(
    records
      .list()
      .filter((record) => isStale(store, record))
      .map((record) => settle(store, records, record.ID)),
  );
  await Promise.allSettled(records.unfinished().map((id) => sweepUnfinished(store, records, id)));
  const settled = records.list();
  await startHealthMonitor(store, settled);
  return settled;
}

/** One container by id, prefix or name, settled. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export async function findContainer(store: Store, what: string): Promise<ContainerRecord> {
  const records = new ContainerStore(store.root);
  const record = records.find(what);
  if (!isStale(store, record)) return record;
  await settle(store, records, record.ID);
  return records.find(what);
}

/** True when the record may lag behind what can be seen of its processes. */
function isStale(store: Store, record: ContainerRecord): boolean {
  const { ID, State } = record;
  const { Supervisor, Process } = State;
  if (State.Detached) return Process === undefined || !isAlive(Process);
  if (State.Running || State.Restarting) return Supervisor === undefined || !isAlive(Supervisor);
  if (isUnfinishedRemoval(store, record)) return true;
  return existsSync(bundleDirectory(store.root, ID)); // it is being started, or a start was killed
}

/** A `--rm` container that ended and is being removed, by nobody any more where its lock is free. */
const isUnfinishedRemoval = (store: Store, { ID, State }: ContainerRecord): boolean =>
  State.RemovalInProgress &&
  State.StartedAt !== NEVER &&
  new ContainerStore(store.root).hostConfig(ID).AutoRemove;

/** Brings a record up to date, unless somebody is at it for long. */
async function settle(store: Store, records: ContainerStore, id: ContainerID): Promise<void> {
  const running = records.get(id)?.State;
  const patience = AbortSignal.timeout(running?.Running || running?.Restarting ? SETTLE_MS : STARTING_MS);
  const held = await store.lockNamed('containers', id, { signal: patience }).catch(() => undefined);
  if (held === undefined) return;
  try {
    const before = records.get(id)?.State;
    const after = await settleLocked(store, records, id);
    if (before?.Supervisor?.BootID !== store.bootID || !(before.Detached || before.Restarting)) return;
    if (after === undefined || after.State.Running) return;
    // Who was to start it again died; the command that we call finds nothing to do when somebody else does.
    const orphaned = after.State.Restarting && !isAlive(after.State.Supervisor!);
    if (orphaned || wantsRestart(after, records.hostConfig(id))) callCleanup(store, after);
  } finally {
    held.release();
  }
}

/** `settle` for who holds the container's lock. Gives the record as it is then; undefined when it is gone. */
export async function settleLocked(
  store: Store,
  records: ContainerStore,
  id: ContainerID,
): Promise<ContainerRecord | undefined> {
  const record = records.get(id);
  if (record === undefined || !isStale(store, record)) return record;
  if (isUnfinishedRemoval(store, record)) {
    await releaseResources(store, id);
    await discard(store, records, record, { volumes: true });
    return undefined;
  }
  const { Process, Running, Restarting } = record.State;
  const end = record.State.Detached ? await detachedEnd(store, record) : foregroundEnd(store, record);
  if (end === undefined) return record;
  await releaseResources(store, id);
  // Where the runtime's own state is lost the process is still ours to end.
  if (Process !== undefined && isAlive(Process)) process.kill(Process.Pid, 'SIGKILL');
  if (Restarting)
    records.put({ ...record, State: transition(record.State, { to: 'giveup' }) }, { sync: true });
  if (Running)
    await concludeRun(store, records, record, { to: 'exit', at: new Date().toISOString(), ...end });
  return records.get(id);
}

/** A detached container with a restart policy is "restarting" at once: nobody who waits sees it ended in between. */
async function concludeRun(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  exit: Move & { to: 'exit' },
): Promise<void> {
  const { Detached, Supervisor } = record.State;
  const ended = { ...record, State: transition(record.State, exit) };
  if (
    !Detached ||
    Supervisor?.BootID !== store.bootID ||
    !wantsRestart(ended, records.hostConfig(record.ID))
  ) {
    await conclude(store, records, record, exit);
    return;
  }
  recordEnd(store, ended);
  const State = transition(writeExitStats(ended).State, { to: 'restart', supervisor: Supervisor }); // conmon waits for its cleanup command
  records.put({ ...ended, State }, { sync: false });
}

interface End {
  readonly exitCode: number;
  readonly oomKilled?: boolean;
  readonly error?: string;
  readonly resources?: UsedResources;
}

const REBOOTED: End = { exitCode: LOST, error: 'the machine was restarted while the container ran' };

const foregroundEnd = (store: Store, { ID, State }: ContainerRecord): End =>
  State.Process === undefined || State.Process.BootID === store.bootID
    ? { exitCode: KILLED, ...usedBy(ID) }
    : REBOOTED;

/** By conmon's word. Undefined while it lives and has not written the end yet, which it does at once. */
async function detachedEnd(store: Store, { ID, State }: ContainerRecord): Promise<End | undefined> {
  const bundle = bundleDirectory(store.root, ID);
  for (let waited = 0; ; waited += POLL_MS) {
    const supervised = State.Supervisor !== undefined && isAlive(State.Supervisor);
    const exitCode = recordedExit(bundle); // read after the look at conmon: it writes, then ends
    if (exitCode !== undefined) {
      const used = usedBy(ID);
      // A container that was killed from outside is not called out of memory.
      const oomKilled = exitCode === KILLED && (Boolean(used.resources?.OomKills) || recordedOom(bundle));
      return { exitCode, oomKilled, ...used };
    }
    if (!supervised) break;
    if (waited >= SETTLE_MS) return undefined;
    await sleep(POLL_MS);
  }
  return State.Process?.BootID === store.bootID
    ? { exitCode: LOST, error: 'supervisor lost', ...usedBy(ID) }
    : REBOOTED;
}

/** Has `gantry container cleanup` start an ended container again, beside us and after us. */
function callCleanup(store: Store, { ID, Gantry }: ContainerRecord): void {
  if (Gantry === undefined) return;
  try {
    const stdio = ['ignore', 'ignore', 'ignore'] as const;
    const cleanup = spawnProcess(cleanupCommand(Gantry, store, ID), { stdio, session: true, cwd: '/' });
    void reap(cleanup, { keepAlive: false });
  } catch {
    // The next one who looks tries again.
  }
}

/** A creation that was killed. Its lock is free then. */
async function sweepUnfinished(store: Store, records: ContainerStore, id: ContainerID): Promise<void> {
  const held = await store.tryLockNamed('containers', id);
  if (held === undefined) return;
  try {
    if (records.get(id) !== undefined) return;
    await detachNetworks(store, id); // what a start that was killed left
    const { mounts } = store.layers.db;
    // Of a creation that did not come so far that layerdb knows them, too: its init layer may be mounted.
    await store.driver.removeContainer(mounts.get(id) ?? store.driver.containerLayers(id));
    mounts.remove(id);
    await records.remove(id);
  } finally {
    held.release();
  }
}

export interface RemoveContainerOptions {
  /** Also a running one, by SIGKILL. */
  readonly force?: boolean;
  /** Its anonymous volumes too. */
  readonly volumes?: boolean;
}

/** `docker rm`. Gives the id. ERR_NOT_FOUND; ERR_CONFLICT for a running one without `force`. */
export async function removeContainer(
  store: Store,
  what: string,
  options: RemoveContainerOptions = {},
): Promise<ContainerID> {
  const found = await findContainer(store, what);
  const records = new ContainerStore(store.root);
  const held = await store.lockNamed('containers', found.ID);
  try {
    const record = records.get(found.ID);
    if (record === undefined) return found.ID; // it went by itself
    const status = statusOf(record.State);
    if (status !== 'running' && status !== 'paused' && status !== 'restarting') {
      await discard(store, records, record, { volumes: options.volumes ?? false });
      return record.ID;
    }
    if (!options.force) {
      throw new GantryError(
        'ERR_CONFLICT',
        `cannot remove container "${what}": container is ${status}: stop the container before removing or force remove`,
        { hint: `gantry rm -f ${what}` },
      );
    }
    const used = usedBy(record.ID);
    await releaseResources(store, record.ID);
    const State = transition(
      record.State,
      status === 'restarting'
        ? { to: 'giveup' }
        : { to: 'exit', at: new Date().toISOString(), exitCode: KILLED, ...used },
    );
    if (status !== 'restarting') {
      recordContainerEvent(store, record, 'kill', { signal: String(KILLED - 128) });
      recordEnd(store, writeExitStats({ ...record, State }));
    }
    await discard(store, records, { ...record, State }, { volumes: options.volumes ?? false });
    return record.ID;
  } finally {
    held.release();
  }
}
