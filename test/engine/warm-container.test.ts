import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PROFILE_SCHEMA } from '../../src/copyup/profile.js';
import { getXattr, setXattr } from '../../src/core/fsops/xattr.js';
import { listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { startDetached } from '../../src/engine/start-detached.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { warmContainer } from '../../src/engine/warm-container.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const why = whyNoContainers('crun') ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
describe.skipIf(why !== undefined)(`warm${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  let lower: string;
  beforeEach(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    await busyboxImage(store);
    lower = store.driver.files(store.layers.list()[0]!.cacheID);
  });
  afterEach(async () => {
    for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(store.root);
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const put = (path: string, content = path): string => {
    const file = join(lower, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  };
  const create = async (flags: RunFlags = {}, command = ['true']) => {
    const context = { env: {}, cwd: '/', cpuCount: 1, readFile: () => '' };
    const request = createRequest(flags, 'busybox', command, context);
    const { id } = await createContainer(store, await busyboxImage(store), request);
    return { id, upper: store.driver.files(store.layers.db.mounts.get(id)!.mountID) };
  };
  const files = (upper: string): string[] =>
    readdirSync(upper, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(upper.length))
      .sort();
  const warm = (what: string, ...patterns: string[]) => warmContainer(store, what, { patterns });

  it('copies a directory up once, and changes nothing of its files', async () => {
    const file = put('db/main.db', 'x'.repeat(10_000));
    chownSync(file, 999, 998);
    chmodSync(file, 0o640);
    setXattr(file, 'user.tag', Buffer.from('kept'));
    utimesSync(file, 1_000_000, 1_234_567.25);
    put('db/deep/er/.hidden');
    put('db/sparse', '');
    truncateSync(join(lower, 'db/sparse'), 2 ** 32);
    const parentTime = statSync(join(lower, 'db')).mtimeMs;
    const { id, upper } = await create();
    const report = await warm(id, '/db');
    expect(report).toMatchObject({ present: 0, failed: [], bytes: 10_000 + 'db/deep/er/.hidden'.length });
    expect(report.copied.map(({ path }) => path).sort()).toEqual([
      '/db/deep/er/.hidden',
      '/db/main.db',
      '/db/sparse',
    ]);
    expect(files(upper)).toEqual(['/db/deep/er/.hidden', '/db/main.db', '/db/sparse']);
    const copy = join(upper, 'db/main.db');
    expect(readFileSync(copy)).toEqual(readFileSync(file));
    expect(statSync(copy)).toMatchObject({ uid: 999, gid: 998, mode: 0o100640, mtimeMs: 1_234_567_250 });
    expect(getXattr(copy, 'user.tag')?.toString()).toBe('kept');
    expect(statSync(join(upper, 'db')).mtimeMs).toBe(parentTime);
    expect(statSync(join(upper, 'db/sparse')).blocks).toBe(0);
    writeFileSync(copy, 'changed by the container');
    expect(await warm(id, 'db')).toMatchObject({ copied: [], present: 3, bytes: 0 });
    expect(readFileSync(copy, 'utf8')).toBe('changed by the container');
  });

  it('matches globs against the merged view: depth, dots, braces, links before and behind the first wildcard', async () => {
    for (const path of ['v/a.db', 'v/.b.db', 'v/c.txt', 'v/s/d.db', 'v/s/t/e.db', 'v/[x].db', 'other/f.db'])
      put(path);
    symlinkSync('/v', join(lower, 'link'));
    symlinkSync('../other/f.db', join(lower, 'v/l.db'));
    symlinkSync('/other', join(lower, 'v/not-gone-down'));
    const matched = async (...patterns: string[]) => {
      const { id, upper } = await create();
      await warm(id, ...patterns);
      return files(upper);
    };
    expect(await matched('/v/*.db')).toEqual(['/other/f.db', '/v/.b.db', '/v/[x].db', '/v/a.db']);
    expect(await matched('link/**/{d,e}.db')).toEqual(['/v/s/d.db', '/v/s/t/e.db']);
    expect(await matched('/v/*/d.db', '/v/[x].db')).toEqual(['/v/[x].db', '/v/s/d.db']);
    expect(await matched('/v/s/**', '/link/c.txt')).toEqual(['/v/c.txt', '/v/s/d.db', '/v/s/t/e.db']);
  });

  it('stays inside a hostile root, and tells what is not there, no file, or in a volume', async () => {
    const outside = join(directory.path, 'outside');
    writeFileSync(outside, '');
    const volume = join(directory.path, 'volume');
    mkdirSync(volume);
    writeFileSync(join(volume, 'x.db'), '');
    symlinkSync(outside, join(lower, 'absolute'));
    symlinkSync(`../../../../../../../../..${outside}`, join(lower, 'climbing'));
    execFileSync('mkfifo', [join(lower, 'data/fifo')]);
    put('data/sub/file');
    const { id, upper } = await create({ volume: [`${volume}:/mnt/volume`] });
    for (const path of ['/absolute', '/climbing', '/nothing', '/data/*.none', `/../..${outside}`]) {
      await expect(warm(id, path)).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
        message: `${path}: no such file in the container`,
      });
    }
    await expect(warm(id, '/data/fifo')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    for (const path of ['/mnt/volume', '/mnt/volume/x.db', '/mnt/volume/**']) {
      await expect(warm(id, path)).rejects.toThrow(/lies in a volume/);
    }
    await expect(warm(id, '/data', '/mn[t]/**')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(files(upper)).toEqual([]);
    await warm(id, '/data');
    expect(files(upper)).toEqual(['/data/seed', '/data/sub/file']);
    expect(files(volume)).toEqual(['/x.db']);
    await expect(warm('nobody', '/data')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const readOnly = await create({ readOnly: true });
    await expect(warm(readOnly.id, '/data')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });

  it('warms a running container, but no program that it runs; names are bytes', async () => {
    const name = Buffer.from('data/\xff\n', 'latin1');
    writeFileSync(Buffer.concat([Buffer.from(`${lower}/`), name]), 'bytes');
    for (let at = 0; at < 200; at++) put(`many/${at}`);
    const { id, upper } = await create({ detach: true }, ['sh', '-c', 'while true; do sleep 1; done']);
    await startDetached(store, id, { gantry: ['/bin/true'], searchPath: process.env.PATH ?? '' });
    const report = await warm(id, '/data', '/many/*', '/bin/busybox');
    expect(report.failed).toEqual([{ path: '/bin/busybox', error: expect.stringContaining('ETXTBSY') }]);
    expect(report.copied).toHaveLength(202);
    expect(lstatSync(Buffer.concat([Buffer.from(`${upper}/`), name])).size).toBe(5);
    expect(existsSync(join(upper, 'bin/busybox'))).toBe(false);
  });

  it('takes the files of a profile, and passes over those that the container lacks', async () => {
    put('data/a');
    put('data/b');
    const { id, upper } = await create();
    const file = { kind: 'file', cause: 'open', bytes: 1 } as const;
    const profile = {
      schema: PROFILE_SCHEMA,
      source: 'upper',
      container: { id, name: 'x', image: 'x', imageID: 'x' },
      startedAt: '2026-11-22T00:00:00Z',
      lost: 0,
      layers: [],
      files: [
        { ...file, path: '/data/a' },
        { ...file, path: '/data/missing' },
        { ...file, path: '/data', kind: 'directory' },
        { ...file, path: '/data/?', pathBase64: Buffer.from('/data/b').toString('base64') },
      ],
      created: [],
    } as const;
    const report = await warmContainer(store, id, { patterns: [], profile, threads: 1 });
    expect(report.copied.map(({ path }) => path).sort()).toEqual(['/data/a', '/data/b']);
    expect(files(upper)).toEqual(['/data/a', '/data/b']);
  });

  it('creates a container with its files copied up, or not at all', async () => {
    const { upper } = await create({ warm: ['/data/s*'], rm: true });
    expect(files(upper)).toEqual(['/data/seed']);
    await expect(
      create({ warm: ['/data', '/nothing'], name: 'cold', volume: ['/anonymous'] }),
    ).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    expect(await listContainers(store)).toHaveLength(1);
    expect(readdirSync(join(store.root, 'volumes')).filter((name) => name.length === 64)).toEqual([]);
  });

  it('is canceled between files', async () => {
    put('data/a');
    const { id } = await create();
    const signal = AbortSignal.abort();
    await expect(warmContainer(store, id, { patterns: ['/data'], signal })).rejects.toMatchObject({
      code: 'ERR_CANCELED',
    });
  });
});
