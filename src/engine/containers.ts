/**
 * The containers of a store as they are now. A record may lag behind: the process that should have written a
 * container's end was killed, or the machine went down. Whoever looks settles such records first:
 *
 *   its process is gone, its supervisor too      exited 137 (the watchdog killed it), 255 after another boot
 *   its process lives, its supervisor is gone    killed now (a foreground container ends with its CLI): exited 137
 *   its supervisor lives                         left alone: the end is being written, or nothing is wrong
 *
 * and what the dead left (mount, cgroup, bundle, `--rm` containers) goes with it.
 */
import { rm } from 'node:fs/promises';
import { GantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { bundleDirectory, bundleRuntime } from '../runtime/bundle-directory.js';
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { type Move, statusOf, transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { runDirectory } from '../runtime/host-facts.js';
import { isAnonymousVolume } from '../runtime/mount-points.js';
import { chooseRuntime, deleteFromRuntime } from '../runtime/oci-runtime.js';
import { isAlive } from '../runtime/process-identity.js';
import { removeVolume } from '../runtime/volumes.js';
import type { Store } from './store.js';

const KILLED = 128 + 9;
const LOST = 255;

/** Every container, newest first, settled as far as the caller may: a list is worth more than none. */
export async function listContainers(store: Store): Promise<ContainerRecord[]> {
  const records = new ContainerStore(store.root);
  await Promise.allSettled(
    records
      .list()
      .filter(isStale)
      .map((record) => settle(store, records, record.ID)),
  );
  await Promise.allSettled(records.unfinished().map((id) => sweepUnfinished(store, records, id)));
  return records.list();
}

/** One container by id, prefix or name, settled. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export async function findContainer(store: Store, what: string): Promise<ContainerRecord> {
  const records = new ContainerStore(store.root);
  const record = records.find(what);
  if (!isStale(record)) return record;
  await settle(store, records, record.ID);
  return records.find(what);
}

function isStale({ State }: ContainerRecord): boolean {
  return State.Running && !(State.Supervisor !== undefined && isAlive(State.Supervisor));
}

async function settle(store: Store, records: ContainerStore, id: ContainerID): Promise<void> {
  const held = await store.tryLockNamed('containers', id);
  if (held === undefined) return; // somebody is at it
  try {
    const record = records.get(id);
    if (record === undefined || !isStale(record)) return;
    await releaseResources(store, id);
    const { Process } = record.State;
    // Where the runtime's own state is lost the process is still ours to end.
    if (Process !== undefined && isAlive(Process)) process.kill(Process.Pid, 'SIGKILL');
    const sameBoot = Process?.BootID === store.bootID;
    await conclude(store, records, record, {
      to: 'exit',
      at: new Date().toISOString(),
      exitCode: sameBoot ? KILLED : LOST,
      error: sameBoot ? '' : 'the machine was restarted while the container ran',
    });
  } finally {
    held.release();
  }
}

/** A creation that was killed. Its lock is free then. */
async function sweepUnfinished(store: Store, records: ContainerStore, id: ContainerID): Promise<void> {
  const held = await store.tryLockNamed('containers', id);
  if (held === undefined) return;
  try {
    if (records.get(id) !== undefined) return;
    await removeLayers(store, id);
    await records.remove(id);
  } finally {
    held.release();
  }
}

/** Writes down how a run (or the attempt) ended; with `--rm` the container goes. The caller holds its lock. */
export async function conclude(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  move: Move & { to: 'exit' | 'failed' },
): Promise<void> {
  const ended = { ...record, State: transition(record.State, move) };
  if (records.hostConfig(record.ID).AutoRemove) await discard(store, records, ended, true);
  else records.put(ended, { sync: true });
}

/** Ends what runs, and takes away cgroup, bundle and mount. The caller holds the container's lock. */
export async function releaseResources(store: Store, id: ContainerID): Promise<void> {
  const stateDirectory = runDirectory(store.root);
  const forced = bundleRuntime(bundleDirectory(store.root, id));
  if (forced !== undefined) {
    await deleteFromRuntime(chooseRuntime({ forced, cgroups: cgroupLayout(), stateDirectory }), id);
  }
  await releaseFiles(store, id);
}

/** What is left when the runtime has forgotten the container: bundle and mount. */
export async function releaseFiles(store: Store, id: ContainerID): Promise<void> {
  await rm(bundleDirectory(store.root, id), { recursive: true, force: true });
  const layers = store.layers.db.mounts.get(id);
  if (layers !== undefined) await store.driver.unmount(layers.mountID);
}

async function removeLayers(store: Store, id: ContainerID): Promise<void> {
  const layers = store.layers.db.mounts.get(id);
  if (layers === undefined) return;
  await store.driver.unmount(layers.mountID);
  await store.driver.removeContainer(layers);
  store.layers.db.mounts.remove(id);
}

/**
 * Takes a container that does not run away for good: its anonymous volumes when `volumes` is set, its write layer,
 * its directory. The caller holds its lock. A failure on the way leaves it dead, to be removed again.
 */
export async function discard(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  volumes: boolean,
): Promise<void> {
  const State = transition(record.State, { to: 'remove' });
  records.put({ ...record, State }, { sync: false });
  try {
    await removeLayers(store, record.ID);
    const points = volumes ? Object.values(record.MountPoints).filter(isAnonymousVolume) : [];
    for (const point of points) await removeVolume(store.root, point.Name!);
    await records.remove(record.ID);
  } catch (error) {
    const dead = transition(State, { to: 'breakdown', error: (error as Error).message });
    records.put({ ...record, State: dead }, { sync: false });
    throw error;
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
    if (status !== 'running' && status !== 'paused') {
      await discard(store, records, record, options.volumes ?? false);
      return record.ID;
    }
    if (!options.force) {
      throw new GantryError(
        'ERR_CONFLICT',
        `cannot remove container "${what}": container is ${status}: stop the container before removing or force remove`,
        { hint: `gantry rm -f ${what}` },
      );
    }
    await releaseResources(store, record.ID);
    const State = transition(record.State, { to: 'exit', at: new Date().toISOString(), exitCode: KILLED });
    await discard(store, records, { ...record, State }, options.volumes ?? false);
    return record.ID;
  } finally {
    held.release();
  }
}
