/**
 * Which write layer belongs to which container: Docker's layerdb/mounts.
 *
 *   layerdb/mounts/<container id>/mount-id   64 hex, the write layer's directory
 *                                /init-id    <64 hex>-init, the layer of mount points between image and write layer
 *                                /parent     sha256:<chainID> of the image's top layer; not there without layers
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChainID, parseChainID } from '../core/digest/digest.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { type CacheID, type ContainerID, parseCacheID, parseContainerID } from '../core/ids.js';
import { inDirectory } from '../core/in-directory.js';
import { removeSmallTree } from '../core/remove-tree.js';

export interface LayerMount {
  readonly mountID: CacheID;
  readonly initID: CacheID;
  readonly parent?: ChainID;
}

const MODE = { mode: 0o644 } as const;

export class LayerMounts {
  readonly #directory: string;
  readonly #tmp: string;

  constructor(directory: string, tmp: string) {
    this.#directory = directory;
    this.#tmp = tmp;
  }

  /** Undefined when there is none; ERR_STORE_CORRUPT when its files do not hold ids. */
  get(id: ContainerID): LayerMount | undefined {
    const directory = join(this.#directory, id);
    const read = (name: string): string | undefined => {
      try {
        return readFileSync(join(directory, name), 'utf8').trim();
      } catch (error) {
        if (errnoCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    };
    const mountID = read('mount-id');
    if (mountID === undefined) return undefined;
    const parent = read('parent');
    try {
      return {
        mountID: parseCacheID(mountID),
        initID: parseCacheID(read('init-id') ?? `${mountID}-init`),
        ...(parent ? { parent: parseChainID(parent) } : {}),
      };
    } catch (cause) {
      throw new GantryError(
        'ERR_STORE_CORRUPT',
        `${directory}: expected mount-id, init-id and parent`,
        { file: directory, hint: `remove the container: gantry rm -f ${id.slice(0, 12)}` },
        { cause },
      );
    }
  }

  /** The caller holds the container's lock. */
  set(id: ContainerID, mount: LayerMount): void {
    const tmp = join(this.#tmp, `mount-${id}`);
    removeSmallTree(tmp);
    inDirectory(this.#tmp, 0o755, () => mkdirSync(tmp, { mode: 0o755 }));
    writeFileSync(join(tmp, 'mount-id'), mount.mountID, MODE);
    writeFileSync(join(tmp, 'init-id'), mount.initID, MODE);
    if (mount.parent !== undefined) writeFileSync(join(tmp, 'parent'), mount.parent, MODE);
    inDirectory(this.#directory, 0o755, () => renameSync(tmp, join(this.#directory, id)));
  }

  remove(id: ContainerID): void {
    removeSmallTree(join(this.#directory, id));
  }

  list(): ContainerID[] {
    try {
      return readdirSync(this.#directory)
        .filter((name) => /^[a-f0-9]{64}$/.test(name))
        .sort()
        .map(parseContainerID);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
