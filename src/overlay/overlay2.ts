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
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';
import { type CacheID, type ContainerID, newCacheID, parseCacheID } from '../core/ids.js';
import { inDirectory } from '../core/in-directory.js';
import { removeSmallTree, removeTree } from '../core/remove-tree.js';
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
import { above, lowersAbove, newLink, readLink, readLowers, resolveLink } from './links.js';
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
      const [next] = readLowers(this.#dir(id));
      return (
        (next && resolveLink(this.#home, next)) === parent &&
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
    let link: string | undefined;
    try {
      link = readLink(this.#dir(id));
    } catch {
      // damaged: `tidy` finds what it would have named
    }
    try {
      inDirectory(this.#tmp, 0o700, () => renameSync(this.#dir(id), away));
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return;
      throw error;
    }
    if (link !== undefined) removeSmallTree(join(this.#home, 'l', link));
    await removeTree(away);
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

  containerLayers(id: ContainerID): ContainerLayers {
    return { mountID: parseCacheID(id), initID: parseCacheID(`${id}-init`) };
  }

  async createContainer(
    id: ContainerID,
    top: CacheID | undefined,
    visit: (merged: string) => void = () => {},
  ): Promise<ContainerLayers> {
    const { mountID, initID } = this.containerLayers(id);
    const image = top === undefined ? [] : lowersAbove(this.#dir(top));
    const root = top === undefined ? undefined : statSync(this.files(top));
    if (top !== undefined) this.#seal(top);
    const link = await this.#createWriteLayer(initID, image, root);
    try {
      await this.#fillInit(initID, image, visit);
      this.#seal(initID);
      await this.#createWriteLayer(mountID, above(`l/${link}`, image), root);
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

  /**
   * The mount is volatile, because unmounting otherwise syncs the whole file system under it. It is the last that can be written:
   * the kernel's mark of it (volatile-mark.ts) stays and says nothing.
   */
  async #fillInit(id: CacheID, lowers: readonly string[], visit: (merged: string) => void): Promise<void> {
    const fill = (merged: string): void => {
      writeInitStubs(merged);
      visit(merged);
    };
    if (lowers.length === 0) return fill(this.files(id));
    const { mountStack, unmountStack } = await import('./overlay-mount.js');
    const merged = join(this.#dir(id), 'merged');
    const write = { upper: `${id}/diff`, work: `${id}/work` };
    mountStack({ home: this.#home, lowers, write, merged, volatile: true });
    try {
      fill(merged);
    } finally {
      unmountStack(merged);
    }
  }

  /** Read-only from now on. */
  #seal(id: CacheID): void {
    const mark = join(this.#dir(id), 'committed');
    if (!existsSync(mark)) writeFileSync(mark, '', { mode: 0o600 });
  }

  /** Gives its link. `root` is the image's root: init and write layer cover it, so theirs take its mode and owner. */
  #createWriteLayer(id: CacheID, lowers: readonly string[], root: Stats | undefined): Promise<string> {
    return this.#make(id, lowers, (directory) => {
      const diff = this.prepare(directory);
      if (root === undefined) return;
      chownSync(diff, root.uid, root.gid);
      chmodSync(diff, root.mode & 0o7777);
    });
  }

  /** Makes a directory in private and publishes it; `fill` gives it its `diff/`. Gives its link. */
  async #make(id: CacheID, lowers: readonly string[], fill: (directory: string) => void): Promise<string> {
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
      const links = join(this.#home, 'l');
      if (!existsSync(links)) {
        mkdirSync(links, { recursive: true, mode: 0o700 });
        chmodSync(this.#home, 0o710);
      }
      renameSync(held.path, this.#dir(id));
      published = true;
      symlinkSync(`../${id}/diff`, join(links, link));
      return link;
    } finally {
      if (!published) await removeTree(held.path);
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
