import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CacheID, newCacheID, newContainerID, parseCacheID } from '../../src/core/ids.js';
import { isMounted } from '../../src/overlay/overlay-mount.js';
import { Overlay2 } from '../../src/overlay/overlay2.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const nothingPending = { implicitDirs: [], whiteouts: [] };
const CORRUPT = { code: 'ERR_STORE_CORRUPT' };

describe.skipIf(process.getuid?.() !== 0)('overlay2 (root: mounts)', () => {
  let root: ReturnType<typeof temporaryDirectory>;
  let home: string;
  let driver: Overlay2;
  const mounted: CacheID[] = [];
  const newDriver = (bootID = 'this boot') => new Overlay2({ home, tmp: join(root.path, 'tmp'), bootID });
  beforeEach(() => {
    root = temporaryDirectory();
    // characters that would end an option or a lower directory, were paths absolute
    home = join(root.path, 'a:b,c', 'overlay2');
    driver = newDriver();
  });
  afterEach(async () => {
    for (const id of mounted.splice(0)) await driver.unmount(id);
    root.remove();
  });

  const mount = async (id: CacheID, options = {}): Promise<string> => {
    mounted.push(id);
    return driver.mount(id, options);
  };

  async function layer(files: Record<string, string>, parent?: CacheID): Promise<CacheID> {
    const staged = mkdtempSync(join(root.path, 'staged-'));
    const diff = driver.prepare(staged);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(diff, path, '..'), { recursive: true });
      writeFileSync(join(diff, path), content);
    }
    const id = newCacheID();
    await driver.publish({ id, staged, ...(parent ? { parent } : {}), pending: nothingPending });
    expect(readdirSync(staged)).toEqual([]);
    return id;
  }

  const tree = (directory: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(directory)
        .sort()
        .map((name) => [name, (lstatSync(join(directory, name)).mode & 0o7777).toString(8)]),
    );

  it("publishes Docker's directories with Docker's modes", async () => {
    const base = await layer({ a: '1' });
    const top = await layer({ b: '2' }, base);
    expect((statSync(home).mode & 0o777).toString(8)).toBe('710');
    expect((statSync(join(home, 'l')).mode & 0o777).toString(8)).toBe('700');
    expect((statSync(join(home, top)).mode & 0o777).toString(8)).toBe('710');
    expect(tree(join(home, base))).toEqual({ committed: '600', diff: '755', link: '644' });
    expect(tree(join(home, top))).toEqual({
      committed: '600',
      diff: '755',
      link: '644',
      lower: '644',
      work: '700',
    });
    const link = readFileSync(join(home, base, 'link'), 'utf8');
    expect(readlinkSync(join(home, 'l', link))).toBe(`../${base}/diff`);
    expect(readFileSync(join(home, top, 'lower'), 'utf8')).toBe(`l/${link}`);
    expect(driver.below(top)).toEqual([base]);
    expect(driver.list().sort()).toEqual([base, top].sort());
  });

  it('refuses a cache id in use, and a parent that is not there', async () => {
    const id = await layer({});
    const staged = mkdtempSync(join(root.path, 'staged-'));
    driver.prepare(staged);
    await expect(driver.publish({ id, staged, pending: nothingPending })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
    const orphan = { id: newCacheID(), staged, parent: newCacheID(), pending: nothingPending };
    await expect(driver.publish(orphan)).rejects.toThrow(/ENOENT/);
    expect(existsSync(join(staged, 'diff'))).toBe(true);
    expect(readdirSync(join(root.path, 'tmp'))).toEqual([]);
  });

  it('has a layer only while it is whole and stands on the parent that is meant', async () => {
    const base = await layer({});
    const top = await layer({}, base);
    expect(driver.has(base, undefined)).toBe(true);
    expect(driver.has(top, base)).toBe(true);
    expect(driver.has(top, undefined)).toBe(false);
    expect(driver.has(base, top)).toBe(false);
    expect(driver.has(newCacheID(), undefined)).toBe(false);
    writeFileSync(join(home, top, 'lower'), '');
    expect(driver.has(top, base)).toBe(false);
    writeFileSync(join(home, base, 'link'), '');
    expect(driver.has(base, undefined)).toBe(false);
  });

  it('removes directory and link, twice if need be', async () => {
    const id = await layer({ 'deep/file': 'x' });
    await driver.remove(id);
    await driver.remove(id);
    expect(driver.list()).toEqual([]);
    expect(readdirSync(join(home, 'l'))).toEqual([]);
    expect(readdirSync(join(root.path, 'tmp'))).toEqual([]);
  });

  it('tidies links without a directory', async () => {
    const [gone, kept] = [await layer({}), await layer({})];
    rmSync(join(home, gone), { recursive: true });
    expect(driver.tidy()).toBe(1);
    expect(driver.has(kept, undefined)).toBe(true);
  });

  it('mounts a published layer read-only, the upper file first', async () => {
    const base = await layer({ same: 'below', base: 'b' });
    const top = await layer({ same: 'above' }, base);
    const merged = await mount(top);
    expect(readFileSync(join(merged, 'same'), 'utf8')).toBe('above');
    expect(readFileSync(join(merged, 'base'), 'utf8')).toBe('b');
    expect(() => writeFileSync(join(merged, 'new'), '')).toThrow(/EROFS/);
    expect(await driver.mount(top)).toBe(merged);
    await driver.unmount(top);
    await driver.unmount(top);
    expect(existsSync(merged)).toBe(false);
  });

  it('mounts read-only what dockerd did not mark as committed, when told so', async () => {
    const top = await layer({}, await layer({}));
    rmSync(join(home, top, 'committed'));
    expect(() => writeFileSync(join(home, top, 'diff', 'direct'), '')).not.toThrow();
    const merged = await mount(top, { readOnly: true });
    expect(() => writeFileSync(join(merged, 'new'), '')).toThrow(/EROFS/);
  });

  it('gives the files themselves of a base layer, which overlayfs could not mount alone', async () => {
    const base = await layer({ a: '1' });
    expect(await driver.mount(base)).toBe(driver.files(base));
  });

  it('writes with the overlay features off that would hide changes', async () => {
    const { mountID } = await driver.createContainer(newContainerID(), await layer({ 'dir/file': 'x' }));
    const merged = await mount(mountID);
    const options = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .find((line) => line.includes(merged));
    expect(options).toMatch(/lowerdir=l\/[A-Z0-9]{26}:l\//);
    expect(options).not.toMatch(/index=on|metacopy=on|redirect_dir=on/);
    expect(() => renameSync(join(merged, 'dir'), join(merged, 'moved'))).toThrow(/EXDEV/);
    chmodSync(join(merged, 'dir/file'), 0o600);
    expect(readFileSync(join(driver.files(mountID), 'dir/file'), 'utf8')).toBe('x');
  });

  describe('a container', () => {
    it("has Docker's init layer between image and write layer", async () => {
      const image = await layer({ 'etc/hosts': 'of the image', 'etc/passwd': 'root:x:0:0' });
      const id = newContainerID();
      const layers = await driver.createContainer(id, image);
      expect(layers).toEqual({ mountID: id, initID: `${id}-init` });
      expect(tree(join(home, layers.initID))).toEqual({
        committed: '600',
        diff: '755',
        link: '644',
        lower: '644',
        work: '700',
      });
      expect(tree(join(home, id))).toEqual({ diff: '755', link: '644', lower: '644', work: '700' });
      expect(driver.below(layers.mountID)).toEqual([layers.initID, image]);
      expect(readdirSync(driver.files(layers.initID)).sort()).toEqual([
        '.dockerenv',
        'dev',
        'etc',
        'proc',
        'sys',
      ]);
      expect(driver.data(layers.mountID)).toEqual({
        LowerDir: `${home}/${id}-init/diff:${home}/${image}/diff`,
        MergedDir: `${home}/${id}/merged`,
        UpperDir: `${home}/${id}/diff`,
        WorkDir: `${home}/${id}/work`,
      });
      const merged = await mount(layers.mountID);
      expect(readFileSync(join(merged, 'etc/hosts'), 'utf8')).toBe('');
      expect(readFileSync(join(merged, 'etc/passwd'), 'utf8')).toBe('root:x:0:0');
      writeFileSync(join(merged, 'new'), 'written');
      await driver.unmount(layers.mountID);
      expect(readdirSync(driver.files(layers.mountID))).toEqual(['new']);
      const again = await mount(layers.mountID);
      expect(readFileSync(join(again, 'new'), 'utf8')).toBe('written');
      await driver.removeContainer(layers);
      expect(driver.list()).toEqual([image]);
      expect(isMounted(again)).toBe(false);
    });

    it('is made of nothing too', async () => {
      const layers = await driver.createContainer(newContainerID(), undefined);
      const merged = await mount(layers.mountID);
      expect(readdirSync(merged)).toContain('.dockerenv');
    });

    it("shows the image's root directory with the image's mode and owner", async () => {
      const image = await layer({ a: '1' });
      chmodSync(driver.files(image), 0o701);
      const merged = await mount((await driver.createContainer(newContainerID(), image)).mountID);
      expect((statSync(merged).mode & 0o777).toString(8)).toBe('701');
    });

    it('can be looked at, mount points made, while it is created', async () => {
      const seen: string[] = [];
      const image = await layer({ 'data/file': 'x', 'etc/hosts': "the image's own" });
      const { mountID } = await driver.createContainer(newContainerID(), image, (merged) => {
        for (const path of ['data/file', 'etc/hosts']) seen.push(readFileSync(join(merged, path), 'utf8'));
      });
      expect(seen).toEqual(['x', '']);
      expect(existsSync(join(home, `${mountID}-init`, 'merged'))).toBe(false);
      expect(readdirSync(driver.files(mountID))).toEqual([]);
    });

    it('is unmounted whole where one was mounted over another', async () => {
      const { mountID } = await driver.createContainer(newContainerID(), await layer({}));
      const merged = await mount(mountID);
      execFileSync('mount', ['-t', 'tmpfs', 'none', merged]);
      await driver.unmount(mountID);
      expect(existsSync(merged)).toBe(false);
    });

    it('leaves nothing when its init layer cannot be prepared', async () => {
      const image = await layer({});
      const id = newContainerID();
      const failing = driver.createContainer(id, image, () => {
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      expect(driver.list()).toEqual([image]);
      expect(readdirSync(join(home, 'l'))).toHaveLength(1);
    });

    it('is found mounted by the next process, and may be unmounted by it', async () => {
      const { mountID } = await driver.createContainer(newContainerID(), await layer({}));
      const merged = await mount(mountID);
      writeFileSync(join(merged, 'file'), 'x');
      const other = newDriver();
      expect(await other.mount(mountID)).toBe(merged);
      expect(readFileSync(join(merged, 'file'), 'utf8')).toBe('x');
      await other.unmount(mountID);
      expect(existsSync(merged)).toBe(false);
    });

    it('takes over an empty mount point that a kill left', async () => {
      const { mountID } = await driver.createContainer(newContainerID(), await layer({ a: '1' }));
      mkdirSync(join(home, mountID, 'merged'));
      const merged = await mount(mountID);
      expect(readFileSync(join(merged, 'a'), 'utf8')).toBe('1');
    });

    it('may be volatile again and again in one boot, and is refused after a crash', async () => {
      const { mountID } = await driver.createContainer(newContainerID(), await layer({}));
      for (let n = 0; n < 2; n++) {
        const merged = await mount(mountID, { volatile: true });
        writeFileSync(join(merged, `file${n}`), '');
        await driver.unmount(mountID);
      }
      await expect(newDriver('another boot').mount(mountID)).rejects.toMatchObject(CORRUPT);
      await mount(mountID);
      await driver.unmount(mountID);
      await newDriver('another boot').mount(mountID);
    });
  });

  it('returns to the working directory after a mount, a deleted one too', async () => {
    const id = await layer({}, await layer({}));
    const before = process.cwd();
    const script = join(root.path, 'gone');
    mkdirSync(script);
    process.chdir(script);
    rmdirSync(script);
    try {
      await mount(id);
      expect(readlinkSync('/proc/self/cwd')).toBe(`${script} (deleted)`);
    } finally {
      process.chdir(before);
    }
  });

  it('stacks 127 layers, a container on top, and refuses the next', async () => {
    let top: CacheID | undefined;
    for (let n = 0; n < 127; n++) top = await layer({ [`file${n}`]: String(n), top: String(n) }, top);
    const { mountID } = await driver.createContainer(newContainerID(), top);
    expect(driver.below(mountID)).toHaveLength(128);
    const merged = await mount(mountID);
    expect(readFileSync(join(merged, 'top'), 'utf8')).toBe('126');
    for (const n of [0, 63, 126]) expect(readFileSync(join(merged, `file${n}`), 'utf8')).toBe(String(n));
    execFileSync('touch', [join(merged, 'written')]);
    const deeper = await layer({}, top);
    await expect(driver.createContainer(newContainerID(), deeper)).rejects.toMatchObject({
      code: 'ERR_LAYER_INVALID',
    });
    await expect(driver.createContainer(newContainerID(), parseCacheID('0'.repeat(64)))).rejects.toThrow();
  });
});
