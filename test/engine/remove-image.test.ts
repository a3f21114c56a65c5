import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ImageID, shortID } from '../../src/core/digest/digest.js';
import { type ContainerID, newContainerID } from '../../src/core/ids.js';
import { parseFilters } from '../../src/engine/filters.js';
import { pruneImages } from '../../src/engine/prune.js';
import { type Removed, removeImage } from '../../src/engine/remove-image.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { putImage } from '../helpers/image-fixture.js';
import { commitFiles, parkFiles, temporaryDirectory } from '../helpers/layer-fixture.js';

const BASE = { 'bin/sh': 'shell' };
const CONF = { 'etc/redis.conf': 'port 6379' };
const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe.skipIf(process.getuid?.() !== 0)('removal of images (needs root: layers are published)', () => {
  let dir: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  let id: ImageID;
  const lines = (removed: readonly Removed[]) =>
    removed.map((one) => ('untagged' in one ? one.untagged : one.deleted.startsWith(id) ? 'image' : 'layer'));
  const remove = async (text: string, options = {}) =>
    lines(await removeImage(store, text, { containers: [], ...options }));

  beforeEach(async () => {
    dir = temporaryDirectory();
    store = openStore(dir.path);
    await putImage(store, { layers: [BASE], names: ['base:1'] });
    id = await putImage(store, { layers: [BASE, CONF], names: ['redis:7', `redis@${DIGEST}`] });
  });
  afterEach(() => dir.remove());

  it('the last tag takes its digests, the image and its own layers along', async () => {
    expect(await remove('redis:7')).toEqual(['redis:7', `redis@${DIGEST}`, 'image', 'layer']);
    expect(store.layers.list()).toHaveLength(1);
    expect(store.images.list()).toHaveLength(1);
  });

  it('a name of several goes alone', async () => {
    await store.tags.update({ set: [{ reference: 'redis:latest', imageID: id }] });
    expect(await remove('docker.io/library/redis')).toEqual(['redis:latest']);
    expect(store.images.get(id)).toBeDefined();
  });

  it('an id takes all names of one repository', async () => {
    expect(await remove(shortID(id))).toEqual(['redis:7', `redis@${DIGEST}`, 'image', 'layer']);
  });

  it('an id in several repositories needs force', async () => {
    await store.tags.update({ set: [{ reference: 'other:1', imageID: id }] });
    await expect(remove(shortID(id))).rejects.toThrow(
      `conflict: unable to delete ${shortID(id)} (must be forced) - image is referenced in multiple repositories`,
    );
    expect(await remove(shortID(id), { force: true })).toContain('image');
  });

  it('a stopped container holds a name and an id, until forced', async () => {
    const containers = [{ id: newContainerID(), image: id, running: false }];
    await expect(remove('redis:7', { containers })).rejects.toThrow(
      `conflict: unable to remove repository reference "redis:7" (must force) - container ${shortID(containers[0]!.id)} is using its referenced image ${shortID(id)}`,
    );
    await expect(remove(id, { containers })).rejects.toThrow('image is being used by stopped container');
    expect(await remove(id, { containers, force: true })).toContain('image');
  });

  it('a running container holds an id even by force', async () => {
    const containers = [{ id: newContainerID(), image: id, running: true }];
    await expect(remove(id, { containers, force: true })).rejects.toThrow('(cannot be forced)');
  });

  it('children hold their parent, and take it along when it has no name', async () => {
    const child = await putImage(store, { layers: [BASE, CONF, { x: 'y' }], names: ['child:1'], parent: id });
    await expect(remove(id, { force: true })).rejects.toThrow('image has dependent child images');
    await store.tags.update({ remove: ['redis:7', `redis@${DIGEST}`] });
    const removed = await removeImage(store, 'child:1', { containers: [] });
    expect(removed).toContainEqual({ deleted: child });
    expect(removed).toContainEqual({ deleted: id });
  });

  it('prune takes nameless images, layers of broken pulls and partial files, and counts their bytes', async () => {
    const before = store.layers.list().length;
    await putImage(store, { layers: [{ big: 'b'.repeat(5000) }] });
    await commitFiles(store, { loose: 'l'.repeat(700) });
    await parkFiles(store, { parked: 'p' });
    const partial = join(dir.path, 'gantry', 'partial');
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, `${'cd'.repeat(32)}.0`), Buffer.alloc(8192, 1));
    const result = await pruneImages(store, { filters: new Map(), containers: [], now: Date.now() });
    expect(result.reclaimed).toBe(5700 + 8192);
    expect(store.layers.list()).toHaveLength(before);
    expect(store.layers.listParked()).toEqual([]);
    expect(existsSync(join(partial, `${'cd'.repeat(32)}.0`))).toBe(false);
    expect(store.tags.all()).toHaveLength(3);
  });

  it('prune -a keeps images of containers and those that filters do not mean', async () => {
    const containers = [{ id: newContainerID(), image: id, running: false }];
    const filters = parseFilters(['until=2024-01-01T00:00:00Z']);
    const none = await pruneImages(store, { all: true, filters, containers, now: Date.now() });
    expect(none.removed).toEqual([]);
    const some = await pruneImages(store, { all: true, filters: new Map(), containers, now: Date.now() });
    expect(some.removed).toContainEqual({ untagged: 'base:1' });
    expect(store.images.list()).toEqual([id]);
  });

  describe('--keep-storage', () => {
    const prune = (
      keepStorage: number,
      containers: { id: ContainerID; image: ImageID; running: boolean }[] = [],
    ) => pruneImages(store, { keepStorage, filters: new Map(), containers, now: Date.now() });
    /** Least recently used first, of 1000 bytes each; the first is what the others are measured from. */
    const make = async () => {
      await pruneImages(store, { all: true, filters: new Map(), containers: [], now: Date.now() });
      const made: ImageID[] = [];
      for (const name of ['one', 'two', 'three']) {
        const layers = [{ [name]: name[0]!.repeat(1000) }];
        made.push(await putImage(store, { layers, names: [`${name}:1`] }));
      }
      for (const [age, at] of [3, 2, 1].entries())
        store.images.setLastUsed(made[age]!, new Date(Date.now() - at * 1000));
      return made;
    };

    it('takes the least recently used until the rest fits', async () => {
      const [one, two, three] = await make();
      expect(await prune(3000)).toEqual({ removed: [], reclaimed: 0 });
      const { removed, reclaimed } = await prune(2999);
      expect(reclaimed).toBe(1000);
      expect(removed.slice(0, 2)).toEqual([{ untagged: 'one:1' }, { deleted: one }]);
      store.images.setLastUsed(two!, new Date()); // it was run
      await prune(1000);
      expect(store.images.list()).toEqual([two]);
      expect(store.images.get(three!)).toBeUndefined();
    });
    it('counts a tagging as a use, and keeps what containers use', async () => {
      const [one, two, three] = await make();
      store.images.setLastUpdated(one!, new Date());
      await prune(1000, [{ id: newContainerID(), image: two!, running: false }]);
      expect(store.images.list().sort()).toEqual([two]);
      expect([store.images.get(one!), store.images.get(three!)]).toEqual([undefined, undefined]);
    });
    it('takes layers of no image first, and a parent after its child', async () => {
      const [one, two, three] = await make();
      store.images.setParent(three!, two!);
      await commitFiles(store, { loose: 'l'.repeat(500) });
      expect(await prune(3000)).toEqual({ removed: [], reclaimed: 500 });
      await prune(0);
      expect([one, two, three].map((image) => store.images.get(image!))).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    });
  });
});
