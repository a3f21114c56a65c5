/**
 * Bytes that a container wrote: its write layer's files, each inode once. The one size that has to be walked, because it
 * changes as the container runs; only `ps -s` and `system df` ask for it, and no lock is held meanwhile.
 */
import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import type { Store } from './store.js';

export function writeLayerSize(store: Store, id: ContainerID): number {
  const mount = store.layers.db.mounts.get(id);
  return mount === undefined ? 0 : treeSize(store.driver.files(mount.mountID), new Set());
}

/** Docker's fields of `inspect --size`: what the container wrote, and that with the image's layers below. */
export function containerSizes(store: Store, id: ContainerID): { SizeRw: number; SizeRootFs: number } {
  const SizeRw = writeLayerSize(store, id);
  const parent = store.layers.db.mounts.get(id)?.parent;
  const layers = parent === undefined ? [] : store.layers.chain(parent);
  return { SizeRw, SizeRootFs: layers.reduce((sum, layer) => sum + layer.size, SizeRw) };
}

/** Bytes of the files below, each inode once; what goes away meanwhile is passed over. */
export function treeSize(directory: string, linked: Set<number>): number {
  let bytes = 0;
  for (const entry of gone(() => readdirSync(directory, { withFileTypes: true })) ?? ([] as Dirent[])) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) bytes += treeSize(path, linked);
    else if (entry.isFile()) {
      const { size, nlink, ino } = gone(() => lstatSync(path)) ?? { size: 0, nlink: 1, ino: 0 };
      if (nlink > 1 && linked.has(ino)) continue;
      if (nlink > 1) linked.add(ino);
      bytes += size;
    }
  }
  return bytes;
}

/** A running container removes files while we look. */
function gone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
