import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/core/digest/digest.js';
import type { GantryError } from '../../src/core/errors.js';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import { RegistryClient, type ResolveOptions } from '../../src/registry/client.js';
import { parsePlatform } from '../../src/registry/platform.js';
import { parseReference } from '../../src/registry/reference.js';
import { type ScriptedRegistry, scriptedRegistry, send, serveImage, testImage } from './scripted-registry.js';

let directory: string;
let env: NodeJS.ProcessEnv;
let registry: ScriptedRegistry;
let client: RegistryClient;
let waits: number[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-client-'));
  env = {
    HOME: directory,
    XDG_RUNTIME_DIR: directory,
    GANTRY_HOSTS_DIR: join(directory, 'certs.d'),
    GANTRY_REGISTRIES_CONF: join(directory, 'registries.conf'),
  };
  registry = await scriptedRegistry();
  waits = [];
  client = new RegistryClient({
    userAgent: 'gantry/test',
    env,
    sleep: async (ms) => {
      waits.push(ms);
    },
  });
});
afterEach(async () => {
  client.close();
  await registry[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const amd64 = { platform: parsePlatform('linux/amd64') };
const reference = (suffix = '') => parseReference(`${registry.host}/a/b${suffix}`);
const resolve = (suffix = '', options: ResolveOptions = amd64) => client.resolve(reference(suffix), options);
const failure = (promise: Promise<unknown>): Promise<GantryError> =>
  promise.then(
    () => expect.unreachable(),
    (error: GantryError) => error,
  );
const paths = (of = registry) => of.asked.map(({ method, url }) => `${method} ${url}`);

function serveIndex(entries: readonly object[], type: string = MEDIA_TYPE.ociIndex) {
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: entries }));
  registry.on('GET /v2/a/b/manifests/latest', send(index, { 'content-type': type }));
  return digestOf(index);
}
const entryOf = (image: ReturnType<typeof testImage>, more: object = {}) => ({
  mediaType: MEDIA_TYPE.ociManifest,
  digest: image.manifestDigest,
  size: image.manifest.length,
  platform: { os: 'linux', architecture: 'amd64' },
  ...more,
});

describe('resolve', () => {
  test('a tag of a single image', async () => {
    const image = testImage();
    serveImage(registry, image, '7');
    const found = await resolve(':7');
    expect(found).toMatchObject({
      reference: { path: 'a/b', tag: '7' },
      topDigest: image.manifestDigest,
      manifestDigest: image.manifestDigest,
      mediaType: MEDIA_TYPE.ociManifest,
      config: image.config,
      source: {
        repository: 'a/b',
        userAgent: 'gantry/test',
        endpoints: [{ base: `http://${registry.host}/v2` }],
      },
    });
    expect(found.manifest.layers).toHaveLength(1);
    expect(structuredClone(found)).toBeDefined();
    expect(registry.asked[0]!.headers.accept).toContain(MEDIA_TYPE.dockerList);
    expect(paths()).toEqual(['GET /v2/a/b/manifests/7', `GET /v2/a/b/blobs/${image.configDigest}`]);
  });

  test('a digest beside a tag is what is asked for', async () => {
    const image = testImage();
    serveImage(registry, image);
    const found = await resolve(`:old@${image.manifestDigest}`);
    expect(found.topDigest).toBe(image.manifestDigest);
    expect(found.reference.tag).toBeUndefined();
    expect(paths()[0]).toBe(`GET /v2/a/b/manifests/${image.manifestDigest}`);
  });

  test('an index: the platform’s manifest, the index’s digest', async () => {
    const [image, other] = [testImage(), testImage(undefined, { architecture: 'arm64' })];
    serveImage(registry, image);
    const topDigest = serveIndex([
      entryOf(other, { platform: { os: 'unknown', architecture: 'unknown' } }),
      entryOf(other, { platform: { os: 'linux', architecture: 'arm64' } }),
      entryOf(image),
    ]);
    expect(await resolve()).toMatchObject({ topDigest, manifestDigest: image.manifestDigest });
    expect(await failure(resolve('', { platform: parsePlatform('s390x') }))).toMatchObject({
      code: 'ERR_NO_PLATFORM',
      details: { available: ['linux/arm64', 'linux/amd64'] },
    });
  });

  test('docker’s types, a generic Content-Type, none at all', async () => {
    const docker = testImage((m) => ({ ...m, mediaType: MEDIA_TYPE.dockerManifest }));
    serveImage(registry, docker, '1', MEDIA_TYPE.dockerManifest);
    serveImage(registry, docker, '2', 'application/json');
    for (const tag of [':1', ':2']) expect((await resolve(tag)).mediaType).toBe(MEDIA_TYPE.dockerManifest);
    const silent = testImage(({ mediaType: _, ...m }) => m);
    registry.on('GET /v2/a/b/manifests/3', send(silent.manifest));
    registry.on(`GET /v2/a/b/blobs/${silent.configDigest}`, send(silent.config));
    expect(await resolve(':3')).toMatchObject({
      mediaType: MEDIA_TYPE.ociManifest,
      topDigest: silent.manifestDigest,
    });
  });

  test('a sha512 digest is checked with sha512', async () => {
    const image = testImage();
    serveImage(registry, image);
    const digest = digestOf(image.manifest, 'sha512');
    registry.on(
      `GET /v2/a/b/manifests/${digest}`,
      send(image.manifest, { 'content-type': MEDIA_TYPE.ociManifest }),
    );
    expect((await resolve(`@${digest}`)).topDigest).toBe(digest);
  });

  test('without --platform any Linux image that is not an index will do', async () => {
    serveImage(registry, testImage(undefined, { architecture: 'riscv64' }));
    expect((await resolve('', {})).imageConfig.architecture).toBe('riscv64');
    expect(await failure(resolve())).toMatchObject({ code: 'ERR_NO_PLATFORM' });
    serveImage(registry, testImage(undefined, { os: 'windows' }));
    expect(await failure(resolve('', {}))).toMatchObject({ code: 'ERR_NO_PLATFORM' });
  });

  test('what is not there', async () => {
    expect(await failure(resolve(':nope'))).toMatchObject({
      code: 'ERR_NOT_FOUND',
      message: `manifest of ${registry.host}/a/b:nope: ${registry.host} answered 404 (MANIFEST_UNKNOWN: manifest unknown)`,
    });
  });

  test('429 is waited for', async () => {
    const image = testImage();
    serveImage(registry, image);
    let times = 0;
    registry.on('GET /v2/a/b/manifests/latest', (request, response) => {
      const headers = { 'content-type': MEDIA_TYPE.ociManifest };
      if (times++ === 0) send('', { 'retry-after': '3' }, 429)(request, response);
      else send(image.manifest, headers)(request, response);
    });
    await resolve();
    expect(waits).toEqual([3000]);
  });
});

describe('refused before any layer', () => {
  const type = { 'content-type': MEDIA_TYPE.ociManifest };
  const layer = (mediaType: string) =>
    testImage((m) => ({
      ...m,
      layers: [...(m.layers as object[]), { mediaType, digest: digestOf('x'), size: 1 }],
    })).manifest;

  test.each([
    [
      'another digest than told',
      testImage().manifest,
      { ...type, 'docker-content-digest': digestOf('other') },
      'ERR_DIGEST_MISMATCH',
      /expected digest/,
    ],
    [
      'a digest that is none',
      testImage().manifest,
      { ...type, 'docker-content-digest': 'sha256:../x' },
      'ERR_INVALID_DIGEST',
      /Docker-Content-Digest/,
    ],
    [
      'manifests and layers',
      testImage((m) => ({ ...m, manifests: [] })).manifest,
      type,
      'ERR_MANIFEST_CONFUSION',
      /both manifests and layers/,
    ],
    [
      'an index with a config',
      JSON.stringify({ schemaVersion: 2, manifests: [], config: {} }),
      { 'content-type': MEDIA_TYPE.ociIndex },
      'ERR_MANIFEST_CONFUSION',
      /both manifests and layers/,
    ],
    [
      'two types',
      testImage((m) => ({ ...m, mediaType: MEDIA_TYPE.ociIndex })).manifest,
      type,
      'ERR_MANIFEST_CONFUSION',
      /called both/,
    ],
    [
      'schema 1 inside',
      testImage((m) => ({ ...m, fsLayers: [] })).manifest,
      type,
      'ERR_MANIFEST_CONFUSION',
      /schema 1/,
    ],
    [
      'schema 1',
      '{"schemaVersion":1}',
      { 'content-type': MEDIA_TYPE.schema1Signed },
      'ERR_UNSUPPORTED',
      /schema 1 format/,
    ],
    ['schema 1 unannounced', '{"schemaVersion":1}', {}, 'ERR_UNSUPPORTED', /schema 1 format/],
    [
      'an artifact',
      testImage((m) => ({
        ...m,
        config: { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: digestOf('x'), size: 1 },
      })).manifest,
      type,
      'ERR_UNSUPPORTED',
      /artifact, its config is of type "application\/vnd.cncf.helm/,
    ],
    [
      'a foreign layer',
      layer('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
      type,
      'ERR_UNSUPPORTED',
      /layer 2 of 2 is of foreign type/,
    ],
    [
      'an unknown layer',
      layer('application/x-thing'),
      type,
      'ERR_UNSUPPORTED',
      /unknown type "application\/x-thing"/,
    ],
    ['a web page', '<html>', { 'content-type': 'text/html' }, 'ERR_MANIFEST_INVALID', /not valid JSON/],
    [
      'an unknown type',
      '{"schemaVersion":2}',
      { 'content-type': 'application/x-y' },
      'ERR_UNSUPPORTED',
      /unknown manifest type/,
    ],
    ['a list', '[]', type, 'ERR_MANIFEST_INVALID', /not a JSON object/],
    [
      'a digest to climb with',
      testImage((m) => ({
        ...m,
        layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: 'sha256:../../x', size: 1 }],
      })).manifest,
      type,
      'ERR_MANIFEST_INVALID',
      /layers\.0\.digest/,
    ],
    [
      'a huge config',
      testImage((m) => ({ ...m, config: { ...(m.config as object), size: 1e9 } })).manifest,
      type,
      'ERR_MANIFEST_INVALID',
      /expected at most/,
    ],
    ['a huge manifest', Buffer.alloc(5 << 20, ' '), type, 'ERR_REGISTRY', /more than the 4194304 bytes/],
  ])('%s', async (_, body, headers, code, message) => {
    registry.on('GET /v2/a/b/manifests/latest', send(body, headers));
    const error = await failure(resolve());
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(paths()).toEqual(['GET /v2/a/b/manifests/latest']);
  });

  test('by digest, another document', async () => {
    const digest = digestOf('wanted');
    registry.on(`GET /v2/a/b/manifests/${digest}`, send(testImage().manifest, type));
    expect(await failure(resolve(`@${digest}`))).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  });

  test('an index’s entry of another size or type than its manifest', async () => {
    const image = testImage();
    serveImage(registry, image);
    serveIndex([entryOf(image, { size: image.manifest.length + 1 })]);
    expect(await failure(resolve())).toMatchObject({ code: 'ERR_SIZE_MISMATCH' });
    serveIndex([entryOf(image, { mediaType: MEDIA_TYPE.dockerManifest })]);
    expect(await failure(resolve())).toMatchObject({ code: 'ERR_MANIFEST_CONFUSION' });
  });

  test('indexes without end', async () => {
    const inner = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entryOf(testImage())] }));
    const entry = { mediaType: MEDIA_TYPE.ociIndex, digest: digestOf(inner), size: inner.length };
    const middle = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    for (const bytes of [inner, middle]) {
      registry.on(
        `GET /v2/a/b/manifests/${digestOf(bytes)}`,
        send(bytes, { 'content-type': MEDIA_TYPE.ociIndex }),
      );
    }
    serveIndex([{ ...entry, digest: digestOf(middle), size: middle.length }]);
    expect(await failure(resolve())).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  test('a config that is not its digest, not its size, not one diffID a layer', async () => {
    const image = testImage();
    serveImage(registry, image);
    const other = Buffer.from(image.config);
    other[0] = 0x20;
    registry.on(`GET /v2/a/b/blobs/${image.configDigest}`, send(other));
    expect(await failure(resolve())).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    registry.on(`GET /v2/a/b/blobs/${image.configDigest}`, send(image.config.subarray(1)));
    expect(await failure(resolve())).toMatchObject({ code: 'ERR_SIZE_MISMATCH' });
    serveImage(registry, testImage(undefined, { rootfs: { type: 'layers', diff_ids: [] } }));
    expect(await failure(resolve())).toMatchObject({
      code: 'ERR_MANIFEST_INVALID',
      message: expect.stringContaining('0 diff_ids for 1 layers'),
    });
  });
});

describe('authentication', () => {
  const login = (user: string) => Buffer.from(user).toString('base64');
  function guard(image: ReturnType<typeof testImage>) {
    serveImage(registry, image);
    const realm = `Bearer realm="http://${registry.host}/token",service="reg",scope="repository:a/b:pull"`;
    for (const what of ['manifests/latest', `blobs/${image.configDigest}`]) {
      const body = what.startsWith('blobs') ? image.config : image.manifest;
      registry.on(`GET /v2/a/b/${what}`, (request, response) => {
        const open = request.headers.authorization === 'Bearer good';
        const headers: Record<string, string> = open
          ? { 'content-type': MEDIA_TYPE.ociManifest }
          : { 'www-authenticate': realm };
        send(open ? body : '', headers, open ? 200 : 401)(request, response);
      });
    }
  }

  test('a token is fetched once and goes on to the workers', async () => {
    mkdirSync(join(directory, '.docker'));
    writeFileSync(
      join(directory, '.docker/config.json'),
      JSON.stringify({ auths: { [registry.host]: { auth: login('me:pw') } } }),
    );
    registry.on('GET /token', (request, response) => {
      const good = request.headers.authorization === `Basic ${login('me:pw')}`;
      response.end(JSON.stringify({ token: good ? 'good' : 'bad' }));
    });
    guard(testImage());
    const { source } = await resolve();
    expect(paths().filter((path) => path.includes('/token'))).toHaveLength(1);
    expect([...source.auth.tokens.values()].map(({ value }) => value)).toEqual(['good']);
    expect(source.auth.credentials.get(registry.host)).toMatchObject({ kind: 'basic' });
  });

  test('a token that does not open ends in an error that says what to do, without a loop', async () => {
    registry.on('GET /token', send('{"token":"bad"}'));
    writeFileSync(join(directory, 'auth.json'), '{');
    env.REGISTRY_AUTH_FILE = join(directory, 'auth.json');
    guard(testImage());
    const error = await failure(resolve());
    expect(error).toMatchObject({
      code: 'ERR_UNAUTHORIZED',
      details: { hint: `gantry login ${registry.host}` },
    });
    expect(error.message).toContain('no login was sent');
    expect(paths().length).toBeLessThan(8);
  });

  test('a redirect of a blob to another host carries no token', async () => {
    await using cdn = await scriptedRegistry();
    const image = testImage();
    registry.on('GET /token', send('{"token":"good"}'));
    guard(image);
    registry.on(
      `GET /v2/a/b/blobs/${image.configDigest}`,
      send('', { location: `http://${cdn.host}/c?sig=1` }, 307),
    );
    cdn.on('GET /c', send(image.config));
    await resolve();
    expect(cdn.asked[0]!.headers.authorization).toBeUndefined();
    expect(registry.asked.at(-1)!.headers.authorization).toBe('Bearer good');
  });
});

describe('mirrors', () => {
  let mirror: ScriptedRegistry;
  beforeEach(async () => {
    mirror = await scriptedRegistry();
  });
  afterEach(() => mirror[Symbol.asyncDispose]());

  function mirrored(capabilities: string): void {
    mkdirSync(join(directory, 'certs.d', registry.host), { recursive: true });
    writeFileSync(
      join(directory, 'certs.d', registry.host, 'hosts.toml'),
      `server = "http://${registry.host}"\n[host."http://${mirror.host}"]\ncapabilities = ${capabilities}`,
    );
  }

  test('one that may resolve is all that is asked', async () => {
    mirrored('["pull", "resolve"]');
    const image = testImage();
    serveImage(mirror, image);
    const { source } = await resolve();
    expect(registry.asked).toEqual([]);
    expect(paths(mirror)[0]).toBe(`GET /v2/a/b/manifests/latest?ns=${encodeURIComponent(registry.host)}`);
    expect(source.endpoints.map(({ host }) => host)).toEqual([mirror.host, registry.host]);
  });

  test('one that may not is asked by digest only', async () => {
    mirrored('["pull"]');
    const image = testImage();
    serveImage(mirror, image);
    serveImage(registry, image);
    await resolve();
    expect(paths()).toEqual(['GET /v2/a/b/manifests/latest']);
    expect(paths(mirror)).toHaveLength(1);
    expect(paths(mirror)[0]).toContain('/blobs/');
  });

  test('one that lies about a digest is passed over', async () => {
    mirrored('["pull"]');
    const image = testImage();
    serveImage(registry, image);
    mirror.on(`GET /v2/a/b/manifests/${image.manifestDigest}`, send('{"schemaVersion":2}'));
    mirror.on(`GET /v2/a/b/blobs/${image.configDigest}`, send('evil'));
    expect((await resolve(`@${image.manifestDigest}`)).config).toEqual(image.config);
    expect(mirror.asked).toHaveLength(2);
  });

  test('one that is down is asked twice, then last by workers', async () => {
    mirrored('["pull", "resolve"]');
    const image = testImage();
    serveImage(registry, image);
    await mirror[Symbol.asyncDispose]();
    const { source } = await resolve();
    expect(waits).toHaveLength(1);
    expect(source.endpoints.map(({ host }) => host)).toEqual([registry.host, mirror.host]);
    mirror = await scriptedRegistry();
  });

  test('when all fail the registry’s word counts, the mirror’s is kept', async () => {
    mirrored('["pull", "resolve"]');
    mirror.on('GET /v2/a/b/manifests/latest', send('', {}, 403));
    const error = await failure(resolve());
    expect(error.code).toBe('ERR_NOT_FOUND');
    expect(error.details.mirrors).toEqual([expect.stringContaining(`${mirror.host} answered 403`)]);
  });
});

describe('head', () => {
  test('the digest of a tag, by one HEAD', async () => {
    const image = testImage();
    serveImage(registry, image, '7');
    expect(await client.head(reference(':7'))).toBe(image.manifestDigest);
    expect(paths()).toEqual(['HEAD /v2/a/b/manifests/7']);
  });

  test('a registry that does not tell is asked for the manifest', async () => {
    const image = testImage();
    serveImage(registry, image);
    registry.on('HEAD /v2/a/b/manifests/latest', send(''));
    expect(await client.head(reference())).toBe(image.manifestDigest);
  });

  test('not there', async () => {
    expect(await failure(client.head(reference(':no')))).toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});

test('cancel', async () => {
  registry.on('GET /v2/a/b/manifests/latest', () => {});
  expect(await failure(resolve('', { signal: AbortSignal.timeout(50) }))).toMatchObject({
    code: 'ERR_CANCELED',
  });
});
