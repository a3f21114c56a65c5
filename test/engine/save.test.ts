/** Archives of images: what is in them, and that they appear whole or not at all. Other tools judge them in test/e2e. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCompression } from '../../src/core/compress/compression-spec.js';
import { type ImageID, shortID } from '../../src/core/digest/digest.js';
import { type SaveOptions, save } from '../../src/engine/save.js';
import type { SavedLayer } from '../../src/engine/save-meter.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { runCli } from '../helpers/cli-run.js';
import { putImage } from '../helpers/image-fixture.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const BASE = { 'etc/os-release': 'ID=debian\n' };
let root: ReturnType<typeof temporaryDirectory>;
let out: ReturnType<typeof temporaryDirectory>;
let store: Store;
let app: ImageID;

beforeEach(async () => {
  root = temporaryDirectory();
  out = temporaryDirectory();
  store = openStore(root.path);
  app = await putImage(store, {
    layers: [BASE, { app: 'x'.repeat(9_000_000) }],
    names: ['app:1', 'app:2', 'quay.io/a/app:latest'],
  });
  await putImage(store, { layers: [BASE, { redis: 'y' }], names: ['redis:7'] });
});
afterEach(() => {
  root.remove();
  out.remove();
});

const saved = (names: string[], options: Partial<SaveOptions> & { to?: string } = {}) =>
  save(store, names, {
    format: 'docker',
    compression: parseCompression('none', ['none']),
    target: { kind: 'file', path: join(out.path, options.to ?? 'x.tar') },
    signal: new AbortController().signal,
    ...options,
  });
const tar = (...args: string[]): string =>
  execFileSync('tar', ['-f', join(out.path, 'x.tar'), ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
const documentOf = (name: string) => JSON.parse(tar('-xO', name)) as never;

describe('a docker archive', () => {
  it('holds each layer once, under its diffID, and the config as it is', async () => {
    await saved(['app:1', 'redis:7']);
    const blobs = tar('-t')
      .split('\n')
      .filter((name) => name.startsWith('blobs/'));
    // three layers, two configs, two manifests
    expect(blobs).toHaveLength(7);
    for (const name of blobs) {
      const bytes = execFileSync('tar', ['-xOf', join(out.path, 'x.tar'), name], { maxBuffer: 1 << 26 });
      expect(name).toBe(`blobs/sha256/${createHash('sha256').update(bytes).digest('hex')}`);
    }
    const [first, second] = documentOf('manifest.json') as {
      Config: string;
      RepoTags: string[];
      Layers: string[];
    }[];
    expect(first).toMatchObject({ Config: `blobs/sha256/${app.slice(7)}`, RepoTags: ['app:1'] });
    expect(second!.Layers[0]).toBe(first!.Layers[0]);
    expect(statSync(join(out.path, 'x.tar')).mode & 0o777).toBe(0o600); // as docker's
    expect(documentOf('repositories')).toMatchObject({ app: { 1: first!.Layers[1]!.slice(13) } });
  });

  it('takes all tags for a name without one, none for an id', async () => {
    await saved(['app']);
    expect(documentOf('manifest.json')).toMatchObject([{ RepoTags: ['app:1', 'app:2'] }]);
    await saved([app]);
    expect(documentOf('manifest.json')).toMatchObject([{ RepoTags: null }]);
    expect((documentOf('index.json') as { manifests: object[] }).manifests).toHaveLength(1);
  });

  it.each([
    ['gzip', 'zcat'],
    ['zstd', 'zstdcat'],
    ['lz4', 'lz4cat'],
  ])('is the same bytes inside %s, and the same each time', async (name, tool) => {
    await saved(['app']);
    const plain = readFileSync(join(out.path, 'x.tar'));
    const compression = parseCompression(name, ['gzip', 'zstd', 'lz4']);
    await saved(['app'], { compression, to: 'y' });
    await saved(['app'], { compression, to: 'z' });
    const bytes = readFileSync(join(out.path, 'y'));
    expect(execFileSync(tool, [], { input: bytes, maxBuffer: 1 << 26 }).equals(plain)).toBe(true);
    expect(readFileSync(join(out.path, 'z')).equals(bytes)).toBe(true);
  });
});

it.each(['docker', 'oci'] as const)('tells of each layer once that it is written: %s', async (format) => {
  const told: SavedLayer[] = [];
  const compression = parseCompression('zstd', ['zstd']);
  await saved(['app'], { format, compression, onLayer: (layer) => void told.push(layer) });
  const done = told.filter((layer) => layer.done);
  const diffIDs = store.images.get(app)!.config.rootfs.diff_ids!;
  expect(done.map(({ id }) => id).sort()).toEqual(diffIDs.map(shortID).sort());
  for (const { bytes, total } of done) expect(bytes).toBe(total);
});

it('goes on where a shell’s file ends', async () => {
  await saved(['app', 'redis']);
  const path = join(out.path, 'appended');
  writeFileSync(path, 'before');
  const fd = openSync(path, 'a');
  await saved(['app', 'redis'], { target: { kind: 'descriptor', fd } });
  closeSync(fd);
  expect(
    readFileSync(path)
      .subarray(6)
      .equals(readFileSync(join(out.path, 'x.tar'))),
  ).toBe(true);
});

describe('an OCI layout', () => {
  it('has layers compressed one by one, in a tar or a directory', async () => {
    const compression = parseCompression('zstd', ['zstd']);
    const target = { kind: 'directory', path: join(out.path, 'layout') } as const;
    await saved(['quay.io/a/app'], { format: 'oci', compression, target });
    await saved(['quay.io/a/app'], { format: 'oci', compression });
    expect(documentOf('index.json')).toMatchObject({
      manifests: [
        {
          annotations: {
            'io.containerd.image.name': 'quay.io/a/app:latest',
            'org.opencontainers.image.ref.name': 'latest',
          },
        },
      ],
    });
    mkdirSync(join(out.path, 'unpacked'));
    execFileSync('tar', ['-xf', join(out.path, 'x.tar'), '-C', join(out.path, 'unpacked')]);
    execFileSync('diff', ['-r', target.path, join(out.path, 'unpacked')]);
    const blobs = readdirSync(join(target.path, 'blobs/sha256'));
    for (const name of blobs) {
      const bytes = readFileSync(join(target.path, 'blobs/sha256', name));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(name);
    }
    expect(blobs).toHaveLength(4);
  });

  it('is not written over something', async () => {
    writeFileSync(join(out.path, 'mine'), '');
    const target = { kind: 'directory', path: out.path } as const;
    await expect(saved(['app'], { format: 'oci', target })).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(readdirSync(out.path)).toEqual(['mine']);
  });
});

describe('what fails leaves nothing', () => {
  afterEach(() => {
    expect(readdirSync(out.path)).toEqual([]);
    const temporary = join(root.path, 'gantry/tmp');
    expect(existsSync(temporary) ? readdirSync(temporary) : []).toEqual([]);
  });

  it.each(['none', 'lz4', 'zstd'])('a damaged layer, %s', async (name) => {
    const layer = store.layers.list().find(({ size }) => size === 9_000_000)!;
    writeFileSync(join(store.driver.files(layer.cacheID), 'app'), 'z'.repeat(9_000_000));
    const compression = parseCompression(name, ['none', 'zstd', 'lz4']);
    await expect(saved(['app', 'redis'], { compression })).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
    });
    await expect(saved(['app', 'redis'], { compression, format: 'oci' })).rejects.toMatchObject({
      code: 'ERR_STORE_CORRUPT',
    });
  });

  it('no such image', async () => {
    const { code, err } = await runCli(root.path, 'save', '-o', join(out.path, 'x.tar'), 'nope');
    expect([code, err]).toEqual([1, expect.stringContaining('No such image: nope:latest')]);
  });

  it('a compression that cannot be', async () => {
    const { code, err } = await runCli(root.path, 'save', '-o', out.path, '--compression', 'lz4', 'app');
    expect([code, err]).toEqual([1, expect.stringContaining('a directory is not compressed as a whole')]);
    const bad = await runCli(root.path, 'save', '--compression', 'xz', 'app');
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('found "xz"')]);
  });
});
