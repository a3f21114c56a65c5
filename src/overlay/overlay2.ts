/**
 * The overlay2 driver: a layer is a directory tree, a stack is a mount of them. Docker's directories:
 *
 *   overlay2/                        0710
 *   overlay2/l/                      0700, short links (links.ts)
 *   overlay2/<cache-id>/             0710
 *     diff/                          the layer's own files, whiteouts as char devices 0:0
 *     link, lower                    0644; no `lower` in a base layer
 *     work/                          0700; not in a base layer
 *     committed                      empty: read-only from now on. dockerd makes it with the first child
 *     merged/                        0700, while it is mounted
 *   overlay2/<container>-init/, overlay2/<container>/      the same; the write layer has no `committed`
 *
 * Invariant: a directory gets its cache id by rename when all of it is there; the link in `l/` comes after, the
 * layerdb entry last. So what a kill leaves is a directory or a link that nothing refers to.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';
import { type CacheID, type ContainerID, newCacheID, parseCacheID } from '../core/ids.js';
import type {
  ContainerLayers,
  DriverFault,
  GraphDriverData,
  LayerDriver,
  MountOptions,
  PublishOptions,
} from './driver.js';
import { writeInitStubs } from './init-stubs.js';
import { linkFaults, looseLinks, mendLinks } from './link-check.js';
import { lowersAbove, newLink, readLink, readLowers, resolveLink } from './links.js';
import { forgetVolatile, markVolatile } from './volatile-mark.js';

export interface Overlay2Options {
  /** `<root>/overlay2`. */
  readonly home: string;
  /** Where directories are made before, and go after, their life under a cache id; on the same file system. */
  readonly tmp: string;
  /** The kernel's boot id: tells a write layer that a crash may have torn from one that is only unmounted. */
  readonly bootID: string;
}

const FILE = { mode: 0o644 } as const;

export class Overlay2 implements LayerDriver {
  readonly name = 'overlay2';
  readonly #home: string;
  readonly #tmp: string;
  readonly #bootID: string;

  constructor(options: Overlay2Options) {
    this.#home = options.home;
    this.#tmp = options.tmp;
    this.#bootID = options.bootID;
  }

  prepare(staged: string): string {
    const diff = join(staged, 'diff');
    mkdirSync(diff);
    chmodSync(diff, 0o755); // whatever the umask; an entry `./` of the layer overrides it
    return diff;
  }

  async publish({ id, staged, parent, pending }: PublishOptions): Promise<void> {
    if (existsSync(this.#dir(id))) {
      throw new GantryError('ERR_CONFLICT', `expected ${id} to be free, found ${this.#dir(id)}`);
    }
    const lowers = parent === undefined ? [] : lowersAbove(this.#dir(parent));
    const diff = join(staged, 'diff');
    const { settle } = await import('./settle.js');
    settle(
      diff,
      lowers.map((lower) => this.files(resolveLink(this.#home, lower))),
      pending,
    );
    await this.#make(id, lowers, (directory) => {
      writeFileSync(join(directory, 'committed'), '', { mode: 0o600 });
      renameSync(diff, join(directory, 'diff'));
    });
  }

  async replace({ id, staged, parent, pending }: PublishOptions): Promise<void> {
    const directory = this.#dir(id);
    const lowers = parent === undefined ? [] : lowersAbove(this.#dir(parent));
    const diff = join(staged, 'diff');
    const { settle } = await import('./settle.js');
    settle(
      diff,
      lowers.map((lower) => this.files(resolveLink(this.#home, lower))),
      pending,
    );
    mkdirSync(directory, { recursive: true, mode: 0o710 });
    writeFileSync(join(directory, 'committed'), '', { mode: 0o600 });
    const { exchange } = await import('../core/fsops/exchange.js');
    if (existsSync(this.files(id))) exchange(diff, this.files(id));
    else renameSync(diff, this.files(id));
    this.mend(id, parent);
  }

  faults(id: CacheID, parent: CacheID | undefined): DriverFault[] {
    return linkFaults(this.#home, id, parent);
  }

  mend(id: CacheID, parent: CacheID | undefined): void {
    mendLinks(this.#home, id, parent);
  }

  async isMounted(id: CacheID): Promise<boolean> {
    const { isMounted } = await import('./overlay-mount.js');
    return isMounted(join(this.#dir(id), 'merged'));
  }

  has(id: CacheID, parent: CacheID | undefined): boolean {
    try {
      return (
        this.below(id)[0] === parent &&
        existsSync(join(this.#home, 'l', readLink(this.#dir(id)))) &&
        statSync(this.files(id)).isDirectory()
      );
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' || error instanceof GantryError) return false;
      throw error;
    }
  }

  below(id: CacheID): CacheID[] {
    return readLowers(this.#dir(id)).map((lower) => resolveLink(this.#home, lower));
  }

  async remove(id: CacheID): Promise<void> {
    await this.unmount(id);
    const away = join(this.#tmp, `${id}-removing-${newCacheID().slice(0, 8)}`);
    mkdirSync(this.#tmp, { recursive: true, mode: 0o700 });
    let link: string | undefined;
    try {
      link = readLink(this.#dir(id));
    } catch {
      // damaged: `tidy` finds what it would have named
    }
    try {
      renameSync(this.#dir(id), away);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return;
      throw error;
    }
    if (link !== undefined) rmSync(join(this.#home, 'l', link), { force: true });
    await rm(away, { recursive: true, force: true });
  }

  list(): CacheID[] {
    return this.#names(this.#home)
      .filter((name) => /^[a-f0-9]{64}(-init)?$/.test(name))
      .map((name) => parseCacheID(name));
  }

  loose(): string[] {
    return looseLinks(this.#home).map((name) => join('l', name));
  }

  tidy(): number {
    const loose = this.loose();
    for (const link of loose) rmSync(join(this.#home, link), { recursive: true, force: true });
    return loose.length;
  }

  files(id: CacheID): string {
    return join(this.#dir(id), 'diff');
  }

  data(id: CacheID): GraphDriverData {
    const directory = this.#dir(id);
    const lowers = this.below(id).map((lower) => this.files(lower));
    return {
      ...(lowers.length > 0 ? { LowerDir: lowers.join(':') } : {}),
      MergedDir: join(directory, 'merged'),
      UpperDir: join(directory, 'diff'),
      WorkDir: join(directory, 'work'),
    };
  }

  async createContainer(
    id: ContainerID,
    top: CacheID | undefined,
    prepareInit: (merged: string) => void = writeInitStubs,
  ): Promise<ContainerLayers> {
    const mountID = parseCacheID(id);
    const initID = parseCacheID(`${id}-init`);
    await this.#createWriteLayer(initID, top);
    try {
      // volatile, because unmounting otherwise syncs the whole file system under it
      prepareInit(await this.mount(initID, { volatile: true }));
      await this.unmount(initID);
      forgetVolatile(this.#dir(initID), this.#bootID);
      await this.#createWriteLayer(mountID, initID);
    } catch (error) {
      await this.remove(initID);
      throw error;
    }
    return { mountID, initID };
  }

  async removeContainer({ mountID, initID }: ContainerLayers): Promise<void> {
    await Promise.all([this.remove(mountID), this.remove(initID)]);
  }

  async mount(id: CacheID, options: MountOptions = {}): Promise<string> {
    const directory = this.#dir(id);
    const lowers = readLowers(directory);
    if (lowers.length === 0) return this.files(id); // overlayfs cannot mount one directory; Docker gives it as it is
    const { isMounted, mountStack } = await import('./overlay-mount.js');
    const merged = join(directory, 'merged');
    if (isMounted(merged)) return merged;
    if (options.readOnly || existsSync(join(directory, 'committed'))) {
      mountStack({ home: this.#home, lowers: [`${id}/diff`, ...lowers], merged });
      return merged;
    }
    forgetVolatile(directory, this.#bootID);
    if (options.volatile) markVolatile(directory, this.#bootID);
    mountStack({
      home: this.#home,
      lowers,
      write: { upper: `${id}/diff`, work: `${id}/work` },
      merged,
      volatile: options.volatile ?? false,
    });
    return merged;
  }

  async unmount(id: CacheID): Promise<void> {
    const merged = join(this.#dir(id), 'merged');
    if (!existsSync(merged)) return;
    const { unmountStack } = await import('./overlay-mount.js');
    unmountStack(merged);
  }

  /** The roots of init and write layer take mode and owner of the image's root, which they cover in the merged view. */
  async #createWriteLayer(id: CacheID, parent: CacheID | undefined): Promise<void> {
    const lowers = parent === undefined ? [] : lowersAbove(this.#dir(parent));
    await this.#make(id, lowers, (directory) => {
      const diff = this.prepare(directory);
      if (parent === undefined) return;
      writeFileSync(join(this.#dir(parent), 'committed'), '', { mode: 0o600 });
      const root = statSync(this.files(parent));
      chownSync(diff, root.uid, root.gid);
      chmodSync(diff, root.mode & 0o7777);
    });
  }

  /** Makes a directory in private and publishes it; `fill` gives it its `diff/`. */
  async #make(id: CacheID, lowers: readonly string[], fill: (directory: string) => void): Promise<void> {
    const { makeHeldDirectory } = await import('../core/held-directory.js');
    const held = makeHeldDirectory(this.#tmp, newCacheID);
    let published = false;
    try {
      const link = newLink();
      writeFileSync(join(held.path, 'link'), link, FILE);
      if (lowers.length > 0) {
        writeFileSync(join(held.path, 'lower'), lowers.join(':'), FILE);
        mkdirSync(join(held.path, 'work'), { mode: 0o700 });
      }
      fill(held.path);
      chmodSync(held.path, 0o710);
      mkdirSync(join(this.#home, 'l'), { recursive: true, mode: 0o700 });
      chmodSync(this.#home, 0o710);
      renameSync(held.path, this.#dir(id));
      published = true;
      symlinkSync(`../${id}/diff`, join(this.#home, 'l', link));
    } finally {
      if (!published) await rm(held.path, { recursive: true, force: true });
      held.release();
    }
  }

  #dir(id: CacheID): string {
    return join(this.#home, id);
  }

  #names(directory: string): string[] {
    try {
      return readdirSync(directory).sort();
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
