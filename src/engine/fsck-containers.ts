/** Structure of containers: records, layerdb's mounts, write and init layers with what they stand on. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isGantryError } from '../core/errors.js';
import { type ContainerID, parseContainerID } from '../core/ids.js';
import type { LayerMount } from '../layer/layer-mounts.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { Problem } from './fsck-problem.js';
import type { Store } from './store.js';

/** Directories of containers, also of those whose record cannot be read. */
export function containerIDs(store: Store): ContainerID[] {
  const directory = join(store.root, 'containers');
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.filter((name) => /^[a-f0-9]{64}$/.test(name)).map(parseContainerID);
}

/** Undefined when there is none; the message when it cannot be read. */
export function mountOf(store: Store, id: ContainerID): LayerMount | string | undefined {
  try {
    return store.layers.db.mounts.get(id);
  } catch (error) {
    if (isGantryError(error, 'ERR_STORE_CORRUPT')) return error.message;
    throw error;
  }
}

export function surveyContainers(store: Store): Problem[] {
  const problems: Problem[] = [];
  const records = new ContainerStore(store.root);
  for (const id of containerIDs(store)) {
    const where = `containers/${id}/config.v2.json`;
    const command = `stop dockerd and all gantry commands, then move ${join(store.root, 'containers', id)} away`;
    try {
      if (records.get(id) === undefined) {
        problems.push({
          where,
          what: 'record',
          expected: 'a container',
          found: 'none',
          remedy: { kind: 'sweep' },
        });
      }
      records.hostConfig(id);
    } catch (error) {
      if (!isGantryError(error, 'ERR_STORE_CORRUPT')) throw error;
      const remedy = { kind: 'command', command } as const;
      problems.push({ where, what: 'record', expected: 'a container', found: error.message, remedy });
    }
  }
  for (const id of store.layers.db.mounts.list()) problems.push(...surveyMount(store, id));
  return problems;
}

function surveyMount(store: Store, id: ContainerID): Problem[] {
  const where = `image/overlay2/layerdb/mounts/${id}`;
  const remedy = { kind: 'command', command: `gantry rm -f ${id.slice(0, 12)}` } as const;
  const mount = mountOf(store, id);
  if (!existsSync(join(store.root, 'containers', id))) {
    const found = 'no such container';
    return [{ where, what: 'write layer', expected: `container ${id}`, found, remedy: { kind: 'sweep' } }];
  }
  if (mount === undefined || typeof mount === 'string') {
    return [{ where, what: 'mount-id', expected: '64 hex digits', found: mount ?? 'none', remedy }];
  }
  const top = mount.parent === undefined ? undefined : store.layers.db.entry(mount.parent).cacheID;
  if (mount.parent !== undefined && top === undefined) {
    return [{ where, what: 'parent', expected: mount.parent, found: 'no such layer', remedy }];
  }
  const faults = [
    ...store.driver.faults(mount.initID, top),
    ...store.driver.faults(mount.mountID, mount.initID),
  ];
  return faults.map(({ path, expected, found, lost }) => ({
    where: `overlay2/${path}`,
    what: `links of container ${id.slice(0, 12)}`,
    expected,
    found,
    remedy: lost ? remedy : { kind: 'links' },
  }));
}
