/**
 * The root of a container as a descriptor, to be used with openat2 inside it (in-root.ts, rooted-dir.ts) and never by
 * path. A running container's is that of its process, with its volumes and tmpfs; a stopped one's is mounted, volumes
 * included, under the container's lock.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';
import { at, O } from '../core/fsops/at.js';
import { openInRoot } from '../core/fsops/in-root.js';
import { cstring } from '../core/fsops/libc.js';
import { MNT_DETACH, MS, mount, umount } from '../core/fsops/mount.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import { isAlive } from '../runtime/process-identity.js';
import { findContainer, settleLocked } from './containers.js';
import type { Store } from './store.js';

const DIRECTORY = O.PATH | O.DIRECTORY | O.CLOEXEC;

export interface ContainerRoot {
  readonly record: ContainerRecord;
  readonly fd: number;
  close(): Promise<void>;
}

/** ERR_NOT_FOUND, ERR_AMBIGUOUS. */
export async function openContainerRoot(store: Store, what: string): Promise<ContainerRoot> {
  for (;;) {
    const record = await findContainer(store, what);
    const root = record.State.Running ? ofProcess(record) : await ofWriteLayer(store, record);
    if (root !== undefined) return root;
  }
}

/** Undefined when the process has ended meanwhile. */
function ofProcess(record: ContainerRecord): ContainerRoot | undefined {
  const { Process } = record.State;
  try {
    const fd = openSync(`/proc/${Process?.Pid}/root`, DIRECTORY);
    // Looked at afterwards: the pid is still its own, so the root was.
    if (Process !== undefined && isAlive(Process)) return { record, fd, close: async () => closeSync(fd) };
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined when somebody has started or removed it meanwhile. */
async function ofWriteLayer(store: Store, { ID: id }: ContainerRecord): Promise<ContainerRoot | undefined> {
  const records = new ContainerStore(store.root);
  const held = await store.lockNamed('containers', id);
  const undo: (() => unknown)[] = [() => held.release()];
  const close = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    const record = await settleLocked(store, records, id);
    const layers = store.layers.db.mounts.get(id);
    if (record === undefined || record.State.Running) {
      await close();
      return undefined;
    }
    if (layers === undefined) {
      throw new GantryError('ERR_STORE_CORRUPT', `container ${id} has no write layer`, {
        hint: `gantry rm ${id}`,
      });
    }
    const { AutoRemove, Volatile = false } = records.hostConfig(id);
    const path = await store.driver.mount(layers.mountID, { volatile: AutoRemove || Volatile });
    undo.push(() => store.driver.unmount(layers.mountID));
    const fd = openSync(path, DIRECTORY);
    undo.push(() => closeSync(fd));
    for (const { Destination, Source, Type } of Object.values(record.MountPoints)) {
      if (Type !== 'tmpfs' && bindInside(fd, Destination, Source)) undo.push(() => unbind(fd, Destination));
    }
    return { record, fd, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** False when the source is not there, or the two are of two kinds. A place that no start has made yet is made. */
function bindInside(root: number, destination: string, source: string): boolean {
  const there = statSync(source, { throwIfNoEntry: false });
  if (there?.isDirectory()) makeDirectory(root, destination);
  const target = openInRoot(root, Buffer.from(destination), 'follow');
  if (target === undefined) return false;
  try {
    if (there?.isDirectory() !== fstatSync(target).isDirectory()) return false;
    mount({ source, target: `/proc/self/fd/${target}`, flags: MS.BIND | MS.REC });
    return true;
  } finally {
    closeSync(target);
  }
}

function makeDirectory(root: number, path: string): void {
  if (path === '/') return;
  const found = openInRoot(root, Buffer.from(path), 'follow');
  if (found !== undefined) {
    closeSync(found);
    return;
  }
  makeDirectory(root, posix.dirname(path));
  const parent = openInRoot(root, Buffer.from(posix.dirname(path)), 'follow');
  if (parent === undefined) return;
  at.mkdir(parent, cstring(posix.basename(path)), 0o755); // where it cannot be, nothing is bound
  closeSync(parent);
}

function unbind(root: number, destination: string): void {
  const target = openInRoot(root, Buffer.from(destination), 'follow');
  if (target === undefined) return;
  try {
    umount(`/proc/self/fd/${target}`, MNT_DETACH);
  } finally {
    closeSync(target);
  }
}
