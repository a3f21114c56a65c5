/** push against Debian's docker-registry, judged by skopeo, podman and a pull into another store. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { builtGantry, builtGantryWith, startGantry } from '../helpers/gantry-process.js';
import { file, tarOf } from '../helpers/layer-entries.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { noise } from '../helpers/random.js';
import { type RegistryFixture, startRegistry } from '../helpers/registry-fixture.js';
import { serveImage } from '../helpers/serve-image.js';
import { inconsistencies } from '../helpers/store-check.js';

const present = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const missing = ['docker-registry', 'skopeo', 'podman'].filter((program) => !present(program));
const why = process.getuid?.() !== 0 ? 'needs root' : missing.length > 0 ? `needs ${missing.join(', ')}` : '';

describe.skipIf(why !== '')(`push ${why}`, () => {
  const dir = temporaryDirectory();
  const root = join(dir.path, 'root');
  let source: FaultyRegistry;
  let registry: RegistryFixture;
  let made = 0;
  const gantry = (...args: string[]) => builtGantry(root, ...args);
  const inspect = (reference: string) =>
    JSON.parse(
      execFileSync('skopeo', ['inspect', '--tls-verify=false', `docker://${registry.host}/${reference}`], {
        encoding: 'utf8',
      }),
    ) as { Digest: string; RepoTags: string[] };
  const layerTypes = (reference: string): string[] => {
    const from = ['--tls-verify=false', `docker://${registry.host}/${reference}`];
    const raw = execFileSync('skopeo', ['inspect', '--raw', ...from], { encoding: 'utf8' });
    return (JSON.parse(raw) as { layers: { mediaType: string }[] }).layers.map(({ mediaType }) => mediaType);
  };
  const pulled = (reference: string) => {
    const other = join(dir.path, `other-${made++}`);
    expect(builtGantry(other, 'pull', '-q', `${registry.host}/${reference}`)).toMatchObject({ code: 0 });
    expect(inconsistencies(other)).toEqual([]);
    return openStore(other).images.list();
  };

  beforeAll(async () => {
    registry = await startRegistry();
    source = await startFaultyRegistry();
    serveImage(
      source,
      'app',
      tarOf([file('etc/hosts', 'one\n'), file('big', noise(3_000_000, 7).toString('latin1'))]),
      tarOf([file('usr/bin/x', 'two\n', { mode: 0o755 })]),
    );
    // Not by the blocking one: this process is the registry.
    expect(await startGantry(root, 'pull', '-q', `${source.host}/app`).ended).toMatchObject({
      code: 0,
      err: '',
    });
    expect(gantry('tag', `${source.host}/app`, 'app:1').code).toBe(0);
    for (const name of ['a/app:1', 'a/app:2', 'b/app:1', 'c/app:1'])
      gantry('tag', 'app:1', `${registry.host}/${name}`);
  });
  afterAll(async () => {
    await source.close();
    await registry.stop();
    dir.remove();
  });

  it('uploads an image that skopeo, podman and gantry read as the same', () => {
    const { code, out } = gantry('push', `${registry.host}/a/app:1`);
    expect(code).toBe(0);
    const [first, ...rest] = out.trimEnd().split('\n');
    expect(first).toBe(`The push refers to repository [${registry.host}/a/app]`);
    expect(rest.filter((line) => / Pushed$/.test(line))).toHaveLength(2);
    const { Digest } = inspect('a/app:1');
    expect(rest.at(-1)).toMatch(new RegExp(`^1: digest: ${Digest} size: \\d+$`));
    expect(layerTypes('a/app:1')).toEqual(Array(2).fill('application/vnd.oci.image.layer.v1.tar+gzip'));
    const ids = openStore(root).images.list();
    expect(pulled('a/app:1')).toEqual(ids);
    const place = ['--root', join(dir.path, 'podman'), '--runroot', join(dir.path, 'podman-run')];
    const id = execFileSync(
      'podman',
      [
        ...place,
        '--storage-driver',
        'overlay',
        'pull',
        '-q',
        '--tls-verify=false',
        `${registry.host}/a/app:1`,
      ],
      { encoding: 'utf8' },
    );
    expect(`sha256:${id.trim()}`).toBe(ids[0]);
    execFileSync('podman', [...place, '--storage-driver', 'overlay', 'rmi', '-fa'], { stdio: 'ignore' });
    expect(existsSync(join(root, 'gantry/tmp')) ? readdirSync(join(root, 'gantry/tmp')) : []).toEqual([]);
  });

  it('finds the layers there the second time, and its digest is the same', () => {
    const before = inspect('a/app:1').Digest;
    const { out } = gantry('push', `${registry.host}/a/app:2`);
    expect(out.match(/Layer already exists/g)).toHaveLength(2);
    expect(out).toContain(`2: digest: ${before} size: `);
    expect(gantry('images', '--digests', `${registry.host}/a/app`).out).toContain(before);
  });

  it('has a registry mount what another of its repositories has', () => {
    const { out } = gantry('push', `${registry.host}/b/app:1`);
    expect(out.match(/: Mounted from a\/app$/gm)).toHaveLength(2);
    expect(inspect('b/app:1').Digest).toBe(inspect('a/app:1').Digest);
  });

  it('packs with zstd where that is asked for', () => {
    expect(gantry('push', '--compression', 'zstd:5', '-q', `${registry.host}/c/app:1`)).toMatchObject({
      code: 0,
      out: `${registry.host}/c/app:1\n`,
    });
    const types = new Set(layerTypes('c/app:1'));
    expect([...types]).toEqual(['application/vnd.oci.image.layer.v1.tar+zstd']);
    expect(pulled('c/app:1')).toEqual(openStore(root).images.list());
  });

  it('pushes all tags with -a, and tells of what is not there', () => {
    expect(gantry('push', '-q', '-a', `${registry.host}/a/app`).code).toBe(0);
    expect(inspect('a/app:1').RepoTags.sort()).toEqual(['1', '2']);
    expect(gantry('push', 'nosuch')).toMatchObject({
      code: 1,
      err: expect.stringContaining('An image does not exist locally with the tag: nosuch'),
    });
    expect(gantry('push', '-a', `${registry.host}/a/app:1`).err).toContain(
      "tag can't be used with --all-tags/-a",
    );
  });

  it('gives an image that was pulled back with the digest that it had', async () => {
    const other = join(dir.path, 'round');
    const original = inspect('a/app:1').Digest;
    // Docker's media types, and blobs that gantry did not make.
    const copied = `${registry.host}/docker/app:1`;
    execFileSync('skopeo', [
      ...[
        'copy',
        '-q',
        '--insecure-policy',
        '--format',
        'v2s2',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
      ],
      ...['--dest-compress-format', 'gzip', `docker://${registry.host}/a/app:1`, `docker://${copied}`],
    ]);
    const docker = inspect('docker/app:1').Digest;
    expect(docker).not.toBe(original);
    expect(builtGantry(other, 'pull', '-q', copied)).toMatchObject({ code: 0, err: '' });
    builtGantry(other, 'tag', copied, `${registry.host}/docker/again:9`);
    expect(builtGantry(other, 'push', `${registry.host}/docker/again:9`)).toMatchObject({ code: 0, err: '' });
    expect(inspect('docker/again:9').Digest).toBe(docker);
    expect(pulled('docker/again:9')).toEqual(openStore(root).images.list());
  });

  it('leaves nothing when the layer is not what it was', async () => {
    const other = join(dir.path, 'damaged');
    expect(builtGantry(other, 'pull', '-q', `${registry.host}/a/app:1`).code).toBe(0);
    builtGantry(other, 'tag', `${registry.host}/a/app:1`, `${registry.host}/damaged:1`);
    const store = openStore(other);
    for (const layer of store.layers.list()) {
      const hosts = join(store.driver.files(layer.cacheID), 'etc/hosts');
      if (existsSync(hosts)) writeFileSync(hosts, 'uno\n');
    }
    const { code, err } = builtGantry(other, 'push', '--compression', 'zstd', `${registry.host}/damaged:1`);
    expect(code).toBe(1);
    expect(err).toContain('pull the image again');
    expect(
      spawnSync('skopeo', ['inspect', '--tls-verify=false', `docker://${registry.host}/damaged:1`]).status,
    ).not.toBe(0);
    expect(readdirSync(join(other, 'gantry/tmp'))).toEqual([]);
  });

  it('logs in, and is let in then', async () => {
    // bcrypt of "s3cret"
    const htpasswd = 'me:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n';
    const guarded = await startRegistry({ htpasswd });
    const config = { DOCKER_CONFIG: join(dir.path, 'docker') };
    const withLogin = (input: string, ...args: string[]) =>
      builtGantryWith({ env: config, input }, root, ...args);
    try {
      gantry('tag', 'app:1', `${guarded.host}/x:1`);
      expect(withLogin('', 'push', `${guarded.host}/x:1`)).toMatchObject({
        code: 1,
        err: expect.stringContaining(`gantry login ${guarded.host}`),
      });
      const login = ['login', '-u', 'me', '--password-stdin', guarded.host];
      expect(withLogin('wrong\n', ...login)).toMatchObject({ code: 1, out: '' });
      expect(withLogin('s3cret\n', ...login)).toMatchObject({ code: 0, out: 'Login Succeeded\n' });
      expect(withLogin('', 'push', '-q', `${guarded.host}/x:1`)).toMatchObject({ code: 0 });
      expect(withLogin('', 'logout', guarded.host).out).toBe(
        `Removing login credentials for ${guarded.host}\n`,
      );
      expect(withLogin('', 'push', '-q', `${guarded.host}/x:1`).code).toBe(1);
    } finally {
      await guarded.stop();
    }
  });
});
