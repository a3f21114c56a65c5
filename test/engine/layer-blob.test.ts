/** Blobs of stored layers, through the pool; the tools judge what they hold. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import { type LayerBlobOptions, makeLayerBlob } from '../../src/engine/layer-blob.js';
import type { Layer } from '../../src/engine/layer-store.js';
import { Pool } from '../../src/engine/pool.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { tarSizeOf } from '../../src/layer/layer-blob.js';
import { commitFiles, tarOf, temporaryDirectory } from '../helpers/layer-fixture.js';

const FILES = {
  'etc/hosts': '127.0.0.1 localhost\n',
  big: 'all work and no play '.repeat(300_000),
  empty: '',
};
const tar = Buffer.from(tarOf(FILES));
const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

let root: ReturnType<typeof temporaryDirectory>;
let store: Store;
let layer: Layer;
const pool = new Pool('layer', 2);
const options: Omit<LayerBlobOptions, 'compression'> = {
  hash: 'native',
  signal: new AbortController().signal,
};
const temporary = (): string[] => {
  const directory = join(root.path, 'gantry/tmp');
  return existsSync(directory) ? readdirSync(directory) : [];
};

beforeEach(async () => {
  root = temporaryDirectory();
  store = openStore(root.path);
  layer = await commitFiles(store, FILES);
});
afterEach(() => root.remove());
afterAll(() => pool.close());

describe('the blob of a layer', () => {
  it.each([
    ['none', MEDIA_TYPE.ociLayer, 'cat'],
    ['gzip', MEDIA_TYPE.ociLayerGzip, 'zcat'],
    ['zstd', MEDIA_TYPE.ociLayerZstd, 'zstdcat'],
  ] as const)('%s: the tar that its diffID names, the same bytes each time', async (format, type, tool) => {
    const compression = { format, level: 3 } as const;
    const blob = await makeLayerBlob(store, pool, layer.chainID, { ...options, compression });
    const again = await makeLayerBlob(store, pool, layer.chainID, { ...options, compression });
    const bytes = readFileSync(blob.path);
    expect(execFileSync(tool, [], { input: bytes, maxBuffer: 1 << 26 }).equals(tar)).toBe(true);
    expect(blob).toMatchObject({ digest: sha256(bytes), size: bytes.length, mediaType: type });
    expect(again.digest).toBe(blob.digest);
    await Promise.all([blob.remove(), again.remove()]);
    expect(temporary()).toEqual([]);
  });

  it('knows the size of the tar without reading a file', async () => {
    expect(await tarSizeOf(store.layers.db.tarSplit(layer.chainID))).toBe(tar.length);
  });

  const gzip = { ...options, compression: { format: 'gzip', level: 1 } } as const;

  it('is not made of a file that changed', async () => {
    writeFileSync(join(store.driver.files(layer.cacheID), 'etc/hosts'), '127.0.0.1 localhosT\n');
    await expect(makeLayerBlob(store, pool, layer.chainID, gzip)).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
      message: expect.stringContaining('etc/hosts: expected CRC-64'),
    });
    expect(temporary()).toEqual([]);
  });

  it('is not made of files and a tar-split that fit each other but not the diffID', async () => {
    const other = await commitFiles(store, { ...FILES, 'etc/hosts': '127.0.0.1 localhost!' });
    const tarSplit = readFileSync(store.layers.db.tarSplit(other.chainID));
    writeFileSync(store.layers.db.tarSplit(layer.chainID), tarSplit);
    writeFileSync(join(store.driver.files(layer.cacheID), 'etc/hosts'), '127.0.0.1 localhost!');
    await expect(makeLayerBlob(store, pool, layer.chainID, gzip)).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
      message: expect.stringContaining('expected diffID'),
    });
    expect(temporary()).toEqual([]);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort();
    await expect(makeLayerBlob(store, pool, layer.chainID, { ...gzip, signal })).rejects.toMatchObject({
      code: 'ERR_CANCELED',
    });
    expect(temporary()).toEqual([]);
  });
});
