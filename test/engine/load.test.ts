/** Archives in: every form that save, docker and layouts have, and what must not get in. */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BuiltImage, buildImage } from '../../bench/images/layout.js';
import { parseCompression } from '../../src/core/compress/compression-spec.js';
import { digestOf, hexOf } from '../../src/core/digest/digest.js';
import { type LoadedImage, load } from '../../src/engine/load.js';
import type { ArchiveSource } from '../../src/engine/open-archive.js';
import { type SaveOptions, save } from '../../src/engine/save.js';
import { openStore } from '../../src/engine/store.js';
import { runCli } from '../helpers/cli-run.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';

const signal = new AbortController().signal;
const work = temporaryDirectory();
let image: BuiltImage;
let count = 0;
/** A root or file of its own for each use. */
const fresh = (name: string): string => join(work.path, `${name}-${count++}`);

const into = (root: string, source: ArchiveSource | string): Promise<LoadedImage[]> =>
  load(openStore(root), typeof source === 'string' ? { kind: 'path', path: source } : source, {
    signal,
    onEvent: () => {},
  });

async function out(root: string, names: string[], options: Partial<SaveOptions> = {}): Promise<string> {
  const path = fresh('archive');
  await save(openStore(root), names, {
    format: 'docker',
    compression: parseCompression('none', ['none']),
    target: { kind: 'file', path },
    signal,
    ...options,
  });
  return path;
}

beforeAll(async () => {
  const base = join(work.path, 'base');
  const top = join(work.path, 'top');
  mkdirSync(join(base, 'etc'), { recursive: true });
  mkdirSync(join(top, 'etc'), { recursive: true });
  writeFileSync(join(base, 'etc/hosts'), 'localhost\n');
  writeFileSync(join(base, 'etc/gone'), 'gone soon');
  writeFileSync(join(base, 'zeros'), Buffer.alloc(6_000_000));
  writeFileSync(join(top, 'etc/.wh.gone'), '');
  symlinkSync('hosts', join(top, 'etc/link'));
  image = await buildImage({
    dir: join(work.path, 'layout'),
    layers: [
      { createdBy: 'base', from: base, compression: 'gzip' },
      { createdBy: 'top', from: top, compression: 'zstd' },
      { createdBy: 'nothing', from: [Buffer.alloc(1024)], compression: 'none' },
    ],
  });
}, 60_000);
afterAll(() => work.remove());

describe('a round trip', () => {
  let root: string;
  let id: string;
  let plain: Buffer;

  beforeAll(async () => {
    root = fresh('root');
    const [loaded] = await into(root, image.dir);
    id = loaded!.imageID;
    expect(loaded!.names).toEqual([]); // a bare tag is no name
    await openStore(root).tags.update({
      set: ['app:1', 'app:2'].map((reference) => ({ reference, imageID: loaded!.imageID })),
    });
    plain = readFileSync(await out(root, ['app']));
  });

  const forms = (
    [
      ['docker', 'none'],
      ['docker', 'gzip'],
      ['docker', 'lz4'],
      ['oci', 'zstd'],
      ['oci', 'lz4'],
    ] as const
  ).map(([format, name]): [string, Partial<SaveOptions>] => [
    `${format} ${name}`,
    { format, compression: parseCompression(name, ['none', 'gzip', 'zstd', 'lz4']) },
  ]);
  it.each(forms)('ends byte-identical: %s', async (_, options) => {
    const again = fresh('root');
    const loaded = await into(again, await out(root, ['app'], options));
    expect(loaded).toEqual([{ imageID: id, names: ['app:1', 'app:2'], replaced: [] }]);
    expect(readFileSync(await out(again, ['app'])).equals(plain)).toBe(true);
    expect([...inconsistencies(again), ...leftovers(again), ...(await damagedLayers(again))]).toEqual([]);
  });

  it('through a directory', async () => {
    const target = { kind: 'directory', path: fresh('directory') } as const;
    await out(root, ['app'], { format: 'oci', compression: parseCompression('zstd', ['zstd']), target });
    expect(await into(fresh('root'), target.path)).toMatchObject([
      { imageID: id, names: ['app:1', 'app:2'] },
    ]);
  });

  it('through pipes, from process to process', async () => {
    const other = fresh('root');
    const from = spawn(process.execPath, [GANTRY, '--root', root, 'save', '--compression', 'lz4', 'app:1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const to = spawn(process.execPath, [GANTRY, '--root', other, 'load'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    from.stdout.pipe(to.stdin);
    expect(await text(to.stdout)).toBe('Loaded image: app:1\n');
    expect(openStore(other).tags.get('app:1')).toBe(id);
    expect(leftovers(other)).toEqual([]);
  });

  it('tells a name that was another image’s', async () => {
    const other = fresh('root');
    const elsewhere = await buildImage({
      dir: fresh('layout'),
      layers: [{ createdBy: 'other', from: join(work.path, 'top') }],
    });
    const [before] = await into(other, elsewhere.dir);
    await openStore(other).tags.update({ set: [{ reference: 'app:1', imageID: before!.imageID }] });
    const { out: told } = await runCli(other, 'load', '-q', '-i', await out(root, ['app:1']));
    expect(told).toBe(
      `The image app:1 already exists, renaming the old one with ID ${before!.imageID} to empty string\nLoaded image: app:1\n`,
    );
    const byID = await runCli(other, 'load', '-i', await out(root, [id]));
    expect(byID.out).toBe(`Loaded image ID: ${id}\n`);
  });
});

describe('pull from an archive', () => {
  it('takes one image, by its name, its tag, or the archive’s', async () => {
    const root = fresh('root');
    expect(await runCli(root, 'pull', `oci:${image.dir}:latest`)).toMatchObject({
      code: 0,
      out: 'layout:latest\n',
    });
    const store = openStore(root);
    await store.tags.update({
      set: [{ reference: 'quay.io/a/b:7', imageID: store.tags.get('layout:latest')! }],
    });
    const archive = await out(root, ['layout', 'quay.io/a/b']);
    const other = fresh('root');
    const pulled = (name: string) => runCli(other, 'pull', '-q', `docker-archive:${archive}${name}`);
    expect((await pulled(':7')).out).toBe('quay.io/a/b:7\n');
    expect((await pulled(':layout')).out).toBe('layout:latest\n');
    expect((await pulled('')).out).toBe('layout:latest\nquay.io/a/b:7\n');
    expect(await pulled(':8')).toMatchObject({
      code: 1,
      err: expect.stringContaining('expected one image 8, found layout:latest, quay.io/a/b:7'),
    });
    expect(leftovers(other)).toEqual([]);
  });
});

describe('convert', () => {
  it('from layout to archive to layout, through any compression: the same image', async () => {
    const root = fresh('root');
    const [docker, oci, back] = [fresh('docker'), fresh('oci'), fresh('back')];
    const run = async (...args: string[]) =>
      expect(await runCli(root, 'convert', ...args)).toMatchObject({ code: 0 });
    await run('--compression', 'lz4', `oci:${image.dir}:latest`, `docker-archive:${docker}:app:1`);
    await run('--compression', 'zstd', `docker-archive:${docker}`, `oci-archive:${oci}`);
    await run('--compression', 'gzip', `oci-archive:${oci}:app:1`, `oci:${back}`);
    const other = fresh('root');
    const [first] = await into(other, image.dir);
    expect(await into(other, back)).toMatchObject([{ imageID: first!.imageID, names: ['app:1'] }]);
    await runCli(other, 'convert', 'app:1', `docker-archive:${fresh('x')}:quay.io/a/b:2`);
    const named = join(work.path, readdirSync(work.path).find((name) => name.startsWith('x-'))!);
    expect(await into(fresh('root'), named)).toMatchObject([{ names: ['quay.io/a/b:2'] }]);
    expect(leftovers(root)).toEqual([]);
    expect(openStore(root).images.list()).toEqual([]);
    expect(await runCli(root, 'convert', 'app:1', 'app:2')).toMatchObject({
      code: 1,
      err: expect.stringContaining('to convert to, found "app:2"'),
    });
  });
});

/** A `docker save` of before 25, unpacked: what tests change before it is packed. */
function classic(): string {
  const dir = fresh('classic');
  const config = readFileSync(blobPath(manifest().config.digest));
  const id = hexOf(digestOf(config));
  mkdirSync(dir);
  writeFileSync(join(dir, `${id}.json`), config);
  const layers = ['a', 'b', 'c'].map((name, index) => {
    mkdirSync(join(dir, name));
    cpSync(blobPath(manifest().layers[index]!.digest), join(dir, name, 'layer.tar'));
    return `${name}/layer.tar`;
  });
  writeFileSync(
    join(dir, 'manifest.json'),
    JSON.stringify([{ Config: `${id}.json`, RepoTags: ['old:1'], Layers: layers }]),
  );
  return dir;
}
const blobPath = (digest: string): string => join(image.dir, 'blobs/sha256', digest.slice(7));
const manifest = () =>
  JSON.parse(readFileSync(blobPath(image.manifestDigest), 'utf8')) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
function packed(dir: string, ...flags: string[]): string {
  const path = fresh('packed');
  execFileSync('tar', ['-cf', path, ...flags, '-C', dir, ...readdirSync(dir).sort()]);
  return path;
}

describe('archives of others', () => {
  it.each(['--format=ustar', '--gzip', '--zstd', '--use-compress-program=lz4 -BD'])(
    'docker before 25, with compressed layers and a link to a layer: tar %s',
    async (flag) => {
      const dir = classic();
      mkdirSync(join(dir, 'real'));
      renameSync(join(dir, 'a/layer.tar'), join(dir, 'real/layer.tar'));
      symlinkSync('../real/layer.tar', join(dir, 'a/layer.tar'));
      const root = fresh('root');
      expect(await into(root, packed(dir, flag))).toMatchObject([{ names: ['old:1'] }]);
      expect(await damagedLayers(root)).toEqual([]);
    },
  );

  it.each(['--gzip', '--zstd', '--use-compress-program=lz4'])('from a pipe: tar %s', async (flag) => {
    const pipe = fresh('pipe');
    execFileSync('mkfifo', [pipe]);
    const from = spawn('cp', [packed(classic(), flag), pipe]);
    const root = fresh('root');
    expect(await into(root, pipe)).toMatchObject([{ names: ['old:1'] }]);
    expect(leftovers(root)).toEqual([]);
    expect(from.exitCode ?? 0).toBe(0);
  });

  it.each([
    ['of nothing', ''],
    ['of a tar', 'manifest.json'.padEnd(100, '\0')],
    ['of gzip', '\x1f\x8b\x08'.padEnd(10, '\0')], // its header: zeros after it are no deflate
  ])('from a pipe that stays open, canceled: %s', async (_, begun) => {
    const pipe = fresh('pipe');
    execFileSync('mkfifo', [pipe]);
    const fd = openSync(pipe, 'r+');
    try {
      if (begun !== '') writeSync(fd, begun, null, 'latin1');
      const root = fresh('root');
      const canceler = new AbortController();
      const loading = load(
        openStore(root),
        { kind: 'path', path: pipe },
        { signal: canceler.signal, onEvent: () => {} },
      );
      setTimeout(() => canceler.abort(), 300);
      await expect(loading).rejects.toMatchObject({ code: 'ERR_CANCELED' });
      expect(leftovers(root)).toEqual([]);
    } finally {
      writeSync(fd, 'end');
      closeSync(fd);
    }
  });
});

describe('what must not get in', () => {
  let root: string;
  beforeEach(() => {
    root = fresh('root');
  });

  async function refused(source: string, code: string, message: RegExp): Promise<void> {
    await expect(into(root, source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    const store = openStore(root);
    expect([store.images.list(), store.tags.all(), store.layers.list()]).toMatchObject([[], [], []]);
    expect(leftovers(root)).toEqual([]);
  }
  /** Only one layer is wrong, so the others may be in, without an image. */
  async function refusedLayer(source: string, code: string, message: RegExp): Promise<void> {
    await expect(into(root, source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    const store = openStore(root);
    expect([store.images.list(), store.tags.all()]).toEqual([[], []]);
    expect(inconsistencies(root)).toEqual([]);
    expect(readdirSync(join(root, 'gantry/tmp'))).toEqual([]);
  }
  const edit = (dir: string, change: (saved: Record<string, unknown>) => void): string => {
    const file = join(dir, 'manifest.json');
    const [saved] = JSON.parse(readFileSync(file, 'utf8')) as [Record<string, unknown>];
    change(saved);
    writeFileSync(file, JSON.stringify([saved]));
    return packed(dir);
  };

  it('nothing, rubbish, no archive', async () => {
    await refused(join(work.path, 'nowhere'), 'ERR_NOT_FOUND', /no such file/);
    writeFileSync(join(work.path, 'rubbish'), 'x'.repeat(2000));
    await refused(join(work.path, 'rubbish'), 'ERR_INVALID_ARGUMENT', /expected an uncompressed tar archive/);
    writeFileSync(join(work.path, 'empty'), '');
    await refused(join(work.path, 'empty'), 'ERR_INVALID_ARGUMENT', /neither manifest.json nor index.json/);
    await refused(join(work.path, 'base'), 'ERR_INVALID_ARGUMENT', /neither manifest.json nor index.json/);
  });

  it('a cut archive, plain and compressed', async () => {
    const whole = readFileSync(packed(classic()));
    writeFileSync(join(work.path, 'cut'), whole.subarray(0, 700));
    await refused(join(work.path, 'cut'), 'ERR_INVALID_ARGUMENT', /an entry of \d+ bytes/);
    const gz = readFileSync(packed(classic(), '--gzip'));
    writeFileSync(join(work.path, 'cut'), gz.subarray(0, gz.length - 10));
    await refused(join(work.path, 'cut'), 'ERR_LAYER_INVALID', /unexpected end/);
  });

  it.skipIf(process.getuid?.() !== 0)('what does not fit (needs root)', async () => {
    mkdirSync(root);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2500k', 'tmpfs', root]);
    try {
      const dir = fresh('large');
      mkdirSync(dir);
      writeFileSync(join(dir, 'zeros'), Buffer.alloc(4_000_000));
      const large = await buildImage({
        dir: fresh('layout'),
        layers: [{ createdBy: 'large', from: dir, compression: 'none' }],
      });
      await refused(large.dir, 'ERR_NO_SPACE', /400\d+ bytes of layers to load, \d+ bytes free/);
    } finally {
      execFileSync('umount', [root]);
    }
  });

  it('a bomb of small frames', async () => {
    const sized = join(work.path, 'zeros');
    writeFileSync(sized, Buffer.alloc(4_194_304));
    const frame = execFileSync('zstd', ['-c', sized]);
    writeFileSync(join(work.path, 'bomb'), Buffer.concat(Array.from({ length: 300 }, () => frame)));
    await refused(join(work.path, 'bomb'), 'ERR_LAYER_TOO_LARGE', /inflate to 1258291200/);
  });

  it('a member that is missing, or outside', async () => {
    const gone = edit(classic(), (saved) => {
      saved.Layers = ['a/layer.tar', 'b/layer.tar', 'nope/layer.tar'];
    });
    await refused(gone, 'ERR_INVALID_ARGUMENT', /no file nope\/layer.tar in it/);
    const outside = edit(classic(), (saved) => {
      saved.Config = '../../etc/passwd';
    });
    await refused(outside, 'ERR_INVALID_ARGUMENT', /no file \.\.\/\.\.\/etc\/passwd in it/);
    const dir = classic();
    rmSync(join(dir, 'a/layer.tar'));
    symlinkSync(blobPath(manifest().layers[0]!.digest), join(dir, 'a/layer.tar'));
    await refused(packed(dir), 'ERR_INVALID_ARGUMENT', /no file a\/layer.tar in it/);
    await refused(dir, 'ERR_INVALID_ARGUMENT', /no file a\/layer.tar in it/);
  });

  it('a config that is not what its name says, or has other layers', async () => {
    const dir = classic();
    const name = readdirSync(dir).find((entry) => entry.endsWith('.json') && entry.length > 60)!;
    writeFileSync(join(dir, name), readFileSync(join(dir, name), 'utf8').replace('linux', 'Linux'));
    await refused(packed(dir), 'ERR_DIGEST_MISMATCH', /its contents have the digest/);
    const fewer = edit(classic(), (saved) => {
      saved.Layers = ['a/layer.tar'];
    });
    await refused(fewer, 'ERR_MANIFEST_INVALID', /expected 3 layers as in the config, found 1/);
  });

  it('layers that are exchanged, or changed', async () => {
    const exchanged = edit(classic(), (saved) => {
      saved.Layers = ['b/layer.tar', 'a/layer.tar', 'c/layer.tar'];
    });
    await refusedLayer(exchanged, 'ERR_DIGEST_MISMATCH', /diffID: expected/);
  });

  it('a layout whose blob is not what its digest says', async () => {
    const dir = fresh('layout');
    cpSync(image.dir, dir, { recursive: true });
    const file = join(dir, 'blobs/sha256', manifest().layers[1]!.digest.slice(7));
    const other = execFileSync('zstd', ['-c', '-1'], { input: execFileSync('zstd', ['-dc', file]) });
    writeFileSync(file, other);
    await refused(dir, 'ERR_SIZE_MISMATCH', /should have \d+ bytes/);
    cpSync(blobPath(manifest().layers[1]!.digest), file);
    const gzip = readFileSync(blobPath(manifest().layers[0]!.digest));
    gzip[9]! ^= 1; // the system that it was made on: the same tar in another blob
    writeFileSync(join(dir, 'blobs/sha256', manifest().layers[0]!.digest.slice(7)), gzip);
    await refusedLayer(dir, 'ERR_DIGEST_MISMATCH', /digest of the blob/);
  });

  it('a name that is none', async () => {
    const bad = edit(classic(), (saved) => {
      saved.RepoTags = ['UPPER:1'];
    });
    await refused(bad, 'ERR_INVALID_REFERENCE', /must be lowercase/);
  });
});
