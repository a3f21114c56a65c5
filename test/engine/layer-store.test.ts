import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chainIDOf, hexOf } from '../../src/core/digest/digest.js';
import { newCacheID, newContainerID } from '../../src/core/ids.js';
import type { Layer } from '../../src/engine/layer-store.js';
import { openStore, type Store } from '../../src/engine/store.js';
import {
  commitFiles,
  parkFiles,
  receiptOf,
  stageFiles,
  temporaryDirectory,
} from '../helpers/layer-fixture.js';

const A = { 'a/file': 'one' };
const B = { 'b/file': 'two', empty: '' };

let root: ReturnType<typeof temporaryDirectory>;
let store: Store;
const gantry = (...path: string[]) => join(root.path, 'gantry', ...path);
const layerdb = (layer: Pick<Layer, 'chainID'>, ...path: string[]) =>
  join(root.path, 'image/overlay2/layerdb/sha256', hexOf(layer.chainID), ...path);
const names = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);

/** Nothing is left in private places, and everything the driver keeps is known. */
function expectClean(): void {
  expect(names(gantry('tmp'))).toEqual([]);
  expect(names(gantry('ready'))).toEqual([]);
  expect(names(join(root.path, 'image/overlay2/layerdb/tmp'))).toEqual([]);
  expect(store.layers.unreferenced()).toEqual([]);
}

beforeEach(() => {
  root = temporaryDirectory();
  store = openStore(root.path);
});
afterEach(() => root.remove());

describe('layer store', () => {
  it('takes a layer from staging to layerdb', async () => {
    const a = await commitFiles(store, A);
    const b = await commitFiles(store, B, a);
    expect(store.layers.get(b.chainID)).toEqual(b);
    expect(b).toMatchObject({ parent: a.chainID, size: 3, diffID: receiptOf(B).diffID });
    expect(store.layers.chain(b.chainID)).toEqual([b, a]);
    expect(store.layers.list()).toHaveLength(2);
    expect(readFileSync(join(store.driver.files(b.cacheID), 'b/file'), 'utf8')).toBe('two');
    expectClean();
  });

  it('reads an empty or missing root as empty, and makes nothing', () => {
    const empty = openStore(join(root.path, 'nowhere'));
    expect(empty.layers.list()).toEqual([]);
    expect(empty.images.list()).toEqual([]);
    expect(empty.tags.all()).toEqual([]);
    expect(empty.layers.unreferenced()).toEqual([]);
    expect(existsSync(empty.root)).toBe(false);
  });

  it('parks layers in any order and commits them in the chain’s', async () => {
    const { diffID } = receiptOf(A);
    const chainA = chainIDOf(undefined, diffID);
    const parkedB = await parkFiles(store, B, chainA);
    await parkFiles(store, A);
    const again = openStore(root.path); // another process, after this one failed
    const a = await again.layers.commit(again.layers.parked(chainA)!, undefined);
    const b = await again.layers.commit(again.layers.parked(parkedB.chainID)!, a);
    expect(again.layers.get(b.chainID)?.cacheID).toBe(parkedB.cacheID);
    expectClean();
  });

  it('refuses a parent that the chain was not made of', async () => {
    const a = await commitFiles(store, A);
    const parked = await parkFiles(store, B, a.chainID);
    await expect(store.layers.commit(parked, undefined)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(store.layers.parked(parked.chainID)).toBeDefined();
  });

  it('does not adopt what was parked before a reboot', async () => {
    const { chainID } = await parkFiles(store, A);
    const rebooted = openStore(root.path, { bootID: 'another' });
    expect(rebooted.layers.parked(chainID)).toBeUndefined();
    await rebooted.layers.sweep();
    expectClean();
  });

  it('keeps what was parked in this boot through a sweep', async () => {
    const { chainID } = await parkFiles(store, A);
    await openStore(root.path).layers.sweep();
    expect(store.layers.parked(chainID)).toBeDefined();
  });

  it('discards a staging, and sweeps one whose process is gone', async () => {
    await store.layers.discard(await stageFiles(store, A));
    const lost = await stageFiles(store, A);
    await store.layers.sweep();
    expect(existsSync(lost.dir)).toBe(true);
    lost.release(); // what the kernel does for a killed process
    await store.layers.sweep();
    expectClean();
  });

  it('publishes one of eight commits of the same layer at once', async () => {
    const commits = Array.from({ length: 8 }, async () => {
      const other = openStore(root.path);
      const { chainID } = await (async () => {
        const staging = await stageFiles(other, A);
        const receipt = receiptOf(A);
        const lock = await other.layers.lock(chainIDOf(undefined, receipt.diffID));
        try {
          const parked = await other.layers.park(chainIDOf(undefined, receipt.diffID), staging, receipt);
          return await other.layers.commit(parked, undefined);
        } finally {
          lock.release();
        }
      })();
      return other.layers.get(chainID)?.cacheID;
    });
    const cacheIDs = await Promise.all(commits);
    expect(new Set(cacheIDs).size).toBe(1);
    expect(store.driver.list()).toEqual([cacheIDs[0]]);
    expectClean();
    expect(names(gantry('locks/layers'))).toEqual([]);
  });

  it('removes a layer with its files, link and mark', async () => {
    const a = await commitFiles(store, A);
    expect(names(gantry('durability'))).toEqual([hexOf(a.chainID)]);
    await store.layers.remove(a.chainID);
    await store.layers.remove(a.chainID);
    expect(store.layers.get(a.chainID)).toBeUndefined();
    expect(store.driver.list()).toEqual([]);
    expect(names(join(root.path, 'overlay2/l'))).toEqual([]);
    expect(names(gantry('durability'))).toEqual([]);
    expectClean();
  });
});

describe('reader rule', () => {
  it.each([
    ['an empty cache-id', 'gone', (a: Layer) => writeFileSync(layerdb(a, 'cache-id'), '')],
    [
      'an empty link',
      'kept',
      (a: Layer) => writeFileSync(join(root.path, 'overlay2', a.cacheID, 'link'), ''),
    ],
    ['no files', 'kept', (a: Layer) => rmSync(store.driver.files(a.cacheID), { recursive: true })],
    ['no entry', 'gone', (a: Layer) => rmSync(layerdb(a), { recursive: true })],
  ])(
    'a layer with %s is missing, with all above it, and both can be committed again',
    async (_, place, damage) => {
      const a = await commitFiles(store, A);
      const b = await commitFiles(store, B, a);
      damage(a);
      for (const { chainID } of [a, b]) expect(store.layers.get(chainID)).toBeUndefined();
      expect(store.layers.list()).toEqual([]);
      expect(() => store.layers.chain(b.chainID)).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
      const newA = await commitFiles(store, A);
      // Where its directory is known it got its files there, and what stands on it is whole with it.
      expect(store.layers.get(b.chainID)).toEqual(place === 'kept' ? b : undefined);
      expect(newA.cacheID === a.cacheID).toBe(place === 'kept');
      const newB = await commitFiles(store, B, newA);
      expect(store.layers.chain(newB.chainID)).toEqual([newB, newA]);
      await store.layers.removeUnreferenced();
      expect(store.driver.list().sort()).toEqual([newA.cacheID, newB.cacheID].sort());
      expectClean();
    },
  );
});

/** Each state that a kill can leave, made by hand; then a sweep and a new commit, as the next pull does. */
describe('a kill', () => {
  const recovered = async (): Promise<void> => {
    store = openStore(root.path);
    await store.layers.sweep();
    const a = await commitFiles(store, A);
    expect(store.layers.get(a.chainID)).toEqual(a);
    expect(readFileSync(join(store.driver.files(a.cacheID), 'a/file'), 'utf8')).toBe('one');
    await store.layers.removeUnreferenced();
    expect(store.driver.list()).toEqual([a.cacheID]);
    expect(names(join(root.path, 'overlay2/l'))).toHaveLength(1);
    expectClean();
  };

  it('while unpacking leaves a directory to sweep', async () => {
    (await stageFiles(store, A)).release();
    await recovered();
  });

  it('before the receipt was renamed into place leaves one to sweep', async () => {
    const staging = await stageFiles(store, A);
    writeFileSync(join(staging.dir, '.tmp-receipt.json-1'), '{"boot');
    staging.release();
    await recovered();
  });

  it('after parking leaves a layer that the next pull adopts', async () => {
    const { chainID } = await parkFiles(store, A);
    store = openStore(root.path);
    await store.layers.sweep();
    const a = await store.layers.commit(store.layers.parked(chainID)!, undefined);
    expect(store.layers.get(a.chainID)).toEqual(a);
    expectClean();
  });

  it('with the files on their way to the driver leaves both halves to sweep', async () => {
    const parked = await parkFiles(store, A);
    const half = gantry('tmp', newCacheID());
    mkdirSync(half, { mode: 0o700 });
    renameSync(join(parked.dir, 'diff'), join(half, 'diff'));
    await recovered();
  });

  it('after the rename to the cache id leaves a directory that nothing refers to', async () => {
    const a = await commitFiles(store, A);
    rmSync(layerdb(a), { recursive: true });
    rmSync(
      join(root.path, 'overlay2/l', readFileSync(join(root.path, 'overlay2', a.cacheID, 'link'), 'utf8')),
    );
    expect(store.layers.unreferenced()).toEqual([a.cacheID]);
    await recovered();
  });

  it('after the link, before layerdb, leaves directory, link and mark', async () => {
    const a = await commitFiles(store, A);
    rmSync(layerdb(a), { recursive: true });
    expect(store.layers.marks.list()).toHaveLength(1);
    await recovered();
  });

  it('in the layerdb transaction leaves a transaction without a lock', async () => {
    const a = await commitFiles(store, A);
    renameSync(layerdb(a), join(root.path, 'image/overlay2/layerdb/tmp', hexOf(a.chainID)));
    await recovered();
  });

  it('after layerdb, before the parked rest was dropped, leaves a layer', async () => {
    const a = await commitFiles(store, A);
    mkdirSync(gantry('ready', hexOf(a.chainID)), { recursive: true });
    linkSync(layerdb(a, 'tar-split.json.gz'), gantry('ready', hexOf(a.chainID), 'tar-split.json.gz'));
    await store.layers.sweep();
    expect(store.layers.get(a.chainID)).toEqual(a);
    expectClean();
  });

  it('of dockerd in its own transaction leaves one that goes when the store is held alone', async () => {
    mkdirSync(join(root.path, 'image/overlay2/layerdb/tmp/write-set-1/x'), { recursive: true });
    await store.layers.removeUnreferenced();
    await recovered();
  });

  it('in a removal leaves one that a sweep ends', async () => {
    const a = await commitFiles(store, A);
    store.layers.db.remove(a.chainID);
    await store.layers.sweep();
    expect(store.driver.list()).toEqual([]);
    expectClean();
    await recovered();
  });

  it('in a removal of the files leaves them in tmp', async () => {
    const a = await commitFiles(store, A);
    store.layers.db.remove(a.chainID);
    renameSync(join(root.path, 'overlay2', a.cacheID), gantry('tmp', `${a.cacheID}-removing-1`));
    await recovered();
  });

  it('of a real process holds nothing back', () => {
    const script = `
      import { openStore } from '${join(process.cwd(), 'src/engine/store.ts')}';
      import { stageFiles } from '${join(process.cwd(), 'test/helpers/layer-fixture.ts')}';
      const store = openStore(process.argv[2]);
      await stageFiles(store, { file: 'x' });
      await store.layers.lock('sha256:${'0'.repeat(64)}');
      process.kill(process.pid, 'SIGKILL');`;
    const bundled = join(root.path, 'victim.mjs');
    execFileSync(
      'node_modules/.bin/esbuild',
      [
        '--bundle',
        '--platform=node',
        '--format=esm',
        '--packages=external',
        '--loader=ts',
        `--outfile=${bundled}`,
      ],
      { input: script, stdio: ['pipe', 'ignore', 'ignore'] },
    );
    const local = join(process.cwd(), 'node_modules', `.victim-${process.pid}.mjs`);
    copyFileSync(bundled, local); // the temporary directory may be on another file system
    try {
      expect(() => execFileSync('node', [local, root.path], { stdio: 'ignore' })).toThrow();
    } finally {
      rmSync(local);
    }
    expect(names(gantry('tmp'))).toHaveLength(1);
    return store.layers.sweep().then(async () => {
      expect(names(gantry('tmp'))).toEqual([]);
      const lock = await store.layers.tryLock(`sha256:${'0'.repeat(64)}` as Layer['chainID']);
      expect(lock).toBeDefined();
      lock?.release();
    });
  });
});

describe.skipIf(process.getuid?.() !== 0)('containers (root: mounts)', () => {
  it('keep the files that they stand on, also when a layer is dropped', async () => {
    const a = await commitFiles(store, A);
    const id = newContainerID();
    const layers = await store.driver.createContainer(id, a.cacheID);
    store.layers.db.mounts.set(id, { ...layers, parent: a.chainID });
    expect(store.layers.unreferenced()).toEqual([]);
    await store.layers.remove(a.chainID);
    expect(store.layers.get(a.chainID)).toBeUndefined();
    expect(await store.layers.removeUnreferenced()).toEqual([]);
    const merged = await store.driver.mount(layers.mountID);
    expect(readFileSync(join(merged, 'a/file'), 'utf8')).toBe('one');
    await store.driver.removeContainer(layers);
    store.layers.db.mounts.remove(id);
    expect(await store.layers.removeUnreferenced()).toEqual([a.cacheID]);
  });

  it('see a layer settled over its parent', async () => {
    const a = await commitFiles(store, { 'shared/below': '1' });
    execFileSync('chmod', ['2751', join(store.driver.files(a.cacheID), 'shared')]);
    const parked = await parkFiles(store, { 'shared/above': '2' }, a.chainID, {
      implicitDirs: ['shared'],
      whiteouts: ['shared/below', 'shared/never'],
    });
    for (const name of ['below', 'never']) {
      execFileSync('mknod', [join(parked.dir, 'diff/shared', name), 'c', '0', '0']);
    }
    const b = await store.layers.commit(parked, a);
    const merged = await store.driver.mount(b.cacheID);
    try {
      expect(readdirSync(join(merged, 'shared'))).toEqual(['above']);
      expect((statSync(join(merged, 'shared')).mode & 0o7777).toString(8)).toBe('2751');
      expect(readdirSync(join(store.driver.files(b.cacheID), 'shared')).sort()).toEqual(['above', 'below']);
    } finally {
      await store.driver.unmount(b.cacheID);
    }
  });
});
