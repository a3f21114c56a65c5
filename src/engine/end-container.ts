/**
 * What happens at a container's end: the record of it, what the run held (cgroup, networks, mount, bundle), and with `--rm` or `rm`
 * the container itself. Every function may be called again after a kill, and goes on from what it finds; the caller holds the
 * container's lock. Who finds an end that nobody wrote down is containers.ts.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerID } from '../core/ids.js';
import { removeTree } from '../core/remove-tree.js';
import { bundleDirectory, bundleRuntime } from '../runtime/bundle-directory.js';
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import { creationDone, shimDone } from '../runtime/conmon.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { type Move, transition } from '../runtime/container-state.js';
import type { ContainerStore } from '../runtime/container-store.js';
import { exitDirectory, runDirectory } from '../runtime/host-facts.js';
import { isAnonymousVolume } from '../runtime/mount-points.js';
import { chooseRuntime, deleteFromRuntime } from '../runtime/oci-runtime.js';
import { removeVolume } from '../runtime/volumes.js';
import { detachNetworks } from './container-network.js';
import { containerEvent, recordEvents, volumeEvent, volumeUse } from './events.js';
import { writeExitStats } from './exit-stats.js';
import type { Store } from './store.js';
import { type UsedResources, usedResources } from './used-resources.js';

/** As part of an end. */
export function usedBy(id: ContainerID): { readonly resources?: UsedResources } {
  const resources = usedResources(id);
  return resources === undefined ? {} : { resources };
}

/**
 * Writes down how a run (or the attempt) ended; with `--rm` the container goes. The caller holds its lock, and has released
 * what the run had, or is at it: then this does meanwhile what does not depend on it. A kill leaves either a record that
 * runs under a dead supervisor, or the bundle, or a removal that is not finished: whoever looks goes on from each.
 */
export async function conclude(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  move: Move & { to: 'exit' | 'failed' },
  released?: Promise<void>,
): Promise<ContainerRecord> {
  const State = transition(record.State, move);
  const ended = move.to === 'exit' ? writeExitStats({ ...record, State }) : { ...record, State };
  if (move.to === 'exit') recordEnd(store, ended);
  if (records.hostConfig(record.ID).AutoRemove)
    await discard(store, records, ended, { volumes: true, released });
  else records.put(ended, { sync: true });
  await released;
  return ended;
}

/** `oom` where it was that, `die`, and `unmount` of its volumes. */
export function recordEnd(store: Store, ended: ContainerRecord): void {
  const { ExitCode, OOMKilled, StartedAt, FinishedAt } = ended.State;
  const seconds = Math.floor((Date.parse(FinishedAt) - Date.parse(StartedAt)) / 1000);
  const die = { exitCode: String(ExitCode), execDuration: String(Math.max(0, seconds)) };
  recordEvents(store, [
    ...(OOMKilled ? [containerEvent(ended, 'oom')] : []),
    containerEvent(ended, 'die', die),
    ...volumeUse(ended, 'unmount'),
  ]);
}

/** Ends what runs, and takes away cgroup, bundle and mount. The caller holds the container's lock. */
export async function releaseResources(store: Store, id: ContainerID): Promise<void> {
  const stateDirectory = runDirectory(store.root);
  const directory = bundleDirectory(store.root, id);
  const forced = bundleRuntime(directory);
  if (forced !== undefined) {
    await creationDone(directory);
    await deleteFromRuntime(chooseRuntime({ forced, cgroups: cgroupLayout(), stateDirectory }), id);
    await shimDone(directory, id);
  }
  await releaseFiles(store, id);
}

/** What is left beside what the runtime holds: network, mount and, once the runtime has forgotten the container, the bundle. */
export async function releaseFiles(
  store: Store,
  id: ContainerID,
  forgotten?: Promise<unknown>,
): Promise<void> {
  const detached = detachNetworks(store, id); // waits for a plugin, while we unmount
  detached.catch(() => {}); // told below
  try {
    const layers = store.layers.db.mounts.get(id);
    if (layers !== undefined) await store.driver.unmount(layers.mountID);
    await forgotten;
  } finally {
    await detached;
  }
  // Last: it tells that there is something left. Again where conmon was just taking its own away.
  await removeTree(bundleDirectory(store.root, id));
}

/** Unmounts it first, where it is mounted. */
async function removeLayers(store: Store, id: ContainerID): Promise<void> {
  const { mounts } = store.layers.db;
  const layers = mounts.get(id);
  if (layers !== undefined) await store.driver.removeContainer(layers);
  mounts.remove(id);
}

/**
 * Takes a container that does not run away for good: its anonymous volumes when `volumes` is set, its write layer,
 * its directory. The caller holds its lock. A failure on the way leaves it dead, to be removed again. Where the caller is
 * still releasing what a run had, the directory waits for that, and no failure of it counts here: the bundle tells of it.
 */
export async function discard(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  { volumes, released }: { readonly volumes: boolean; readonly released?: Promise<void> | undefined },
): Promise<void> {
  const State = transition(record.State, { to: 'remove' });
  const { AutoRemove, PidMode } = records.hostConfig(record.ID);
  records.put({ ...record, State }, { sync: false });
  if (PidMode === 'host') await released; // its other processes did not end with its first one, and may write still
  let names: string[] = [];
  try {
    if (released === undefined) await detachNetworks(store, record.ID);
    await removeLayers(store, record.ID);
    names = volumes ? ownVolumes(records, record) : []; // at the last moment: another container may yet take one of them
    for (const name of names) await removeVolume(store.root, name);
    store.images.setLastUsed(record.Image, new Date());
  } catch (error) {
    const dead = transition(State, { to: 'breakdown', error: (error as Error).message });
    records.put({ ...record, State: dead }, { sync: false });
    throw error;
  }
  await released;
  await records.remove(record.ID);
  const destroyed = names.map((name) => volumeEvent('destroy', name));
  recordEvents(store, [...destroyed, containerEvent(record, 'destroy')]);
  // One that goes at its end leaves its exit code to who waits for it.
  if (!AutoRemove) rmSync(join(exitDirectory(store.root), record.ID), { force: true });
}

/** Its anonymous volumes, but for those that others took from it. */
function ownVolumes(records: ContainerStore, { ID, MountPoints }: ContainerRecord): string[] {
  const names = Object.values(MountPoints)
    .filter(isAnonymousVolume)
    .map((point) => point.Name!);
  if (names.length === 0) return [];
  const others = records
    .list((text) => names.some((name) => text.includes(name)))
    .filter((other) => other.ID !== ID);
  const shared = new Set(others.flatMap((other) => Object.values(other.MountPoints).map(({ Name }) => Name)));
  return names.filter((name) => !shared.has(name));
}
