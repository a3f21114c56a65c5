import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CopiedFile, type CopyUpProfile, PROFILE_SCHEMA } from '../../src/copyup/profile.js';
import { type CacheID, newContainerID, parseContainerID } from '../../src/core/ids.js';
import { withAmplification } from '../../src/engine/copyup-amplification.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const MiB = 1024 * 1024;
const why = whyNoContainers();
describe.skipIf(why !== undefined)(`amplification of a profile${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  let lower: string;
  let upper: string;
  let profile: CopyUpProfile;
  beforeEach(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    const image = await busyboxImage(store);
    const top = store.layers.list()[0]!;
    const id = newContainerID();
    const layers = await store.driver.createContainer(id, top.cacheID);
    store.layers.db.mounts.set(id, { ...layers, parent: top.chainID });
    lower = store.driver.files(top.cacheID);
    upper = store.driver.files(layers.mountID);
    mkdirSync(join(upper, 'data'));
    profile = {
      schema: PROFILE_SCHEMA,
      source: 'trace',
      container: { id, name: 'box', image: 'busybox', imageID: image.id },
      startedAt: '2026-11-22T00:00:00.000000000Z',
      lost: 0,
      layers: [layers.initID, top.cacheID as CacheID].map((cacheID) => ({ cacheID })),
      files: [],
      created: [],
    };
  });
  afterEach(() => directory.remove());

  const copied = (path: string, bytes: number, extra: Partial<CopiedFile> = {}): CopiedFile => ({
    path,
    kind: 'file',
    cause: 'open',
    layer: 1,
    bytes,
    ...extra,
  });
  const put = (file: string, at: number): void => {
    const fd = openSync(file, 'r+');
    writeSync(fd, 'x', at);
    closeSync(fd);
  };

  it('reads one changed page of a big file, split over threads, as one page', async () => {
    const bytes = 200 * MiB;
    const fd = openSync(join(lower, 'data/db'), 'w');
    for (let at = 0; at < bytes; at += 10 * MiB) writeSync(fd, Buffer.alloc(5 * MiB, 7), 0, 5 * MiB, at);
    writeSync(fd, 'end', bytes - 3);
    closeSync(fd);
    copyFileSync(join(lower, 'data/db'), join(upper, 'data/db'));
    put(join(upper, 'data/db'), 100 * MiB);
    const { files } = await withAmplification(store, { ...profile, files: [copied('/data/db', bytes)] });
    expect(files).toEqual([{ ...copied('/data/db', bytes), changed: { block4k: 4096, block64k: 65_536 } }]);
  });

  it('compares many files, by their true names, each with its own layer', async () => {
    const files: CopiedFile[] = [];
    for (let at = 0; at < 600; at++) {
      const name = Buffer.from(`data/f${at}\xff\n`, 'latin1');
      for (const tree of [lower, upper])
        writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), name]), 'same');
      if (at % 2 === 1) writeFileSync(Buffer.concat([Buffer.from(`${upper}/`), name]), 'else');
      files.push(
        copied(`/data/f${at}�\n`, 4, {
          pathBase64: Buffer.concat([Buffer.from('/'), name]).toString('base64'),
        }),
      );
    }
    const filled = await withAmplification(store, { ...profile, files });
    expect(filled.files.map((file) => file.changed?.block4k)).toEqual(files.map((_, at) => (at % 2) * 4));
  });

  it('leaves open what cannot be compared: gone, replaced, no file, of no known layer', async () => {
    for (const tree of [lower, upper]) writeFileSync(join(tree, 'data/a'), 'same');
    mkdirSync(join(upper, 'data/replaced'));
    writeFileSync(join(lower, 'data/replaced'), 'a file');
    writeFileSync(join(lower, 'data/link'), 'a file');
    symlinkSync('/etc/hostname', join(upper, 'data/link'));
    const files = [
      copied('/data/a', 4, { gone: true }),
      copied('/data/a', 4, { layer: 0 }),
      copied('/data/missing', 4),
      copied('/data/replaced', 6),
      copied('/data/link', 6),
      copied('/data', 0, { kind: 'directory' }),
      copied('/../../../etc/hostname', 4),
    ];
    const unknown = { path: '/data/a', kind: 'file', cause: 'open', bytes: 4 } as const;
    const given = { ...profile, files: [...files, unknown] };
    expect(await withAmplification(store, given)).toEqual(given);
    rmSync(join(store.root, 'image/overlay2/layerdb/mounts', profile.container.id), { recursive: true });
    const known = { ...profile, files: [copied('/data/a', 4)] };
    expect(parseContainerID(profile.container.id)).toBe(profile.container.id);
    expect(await withAmplification(store, known)).toEqual(known);
  });
});
