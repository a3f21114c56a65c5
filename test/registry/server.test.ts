import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, hexOf } from '../../src/core/digest/digest.js';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import {
  type RegistryServer,
  type ServedRequest,
  type ServeOptions,
  serve,
} from '../../src/registry/server.js';

let dir: string;
let server: RegistryServer | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-serve-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

function put(path: string, content: string | Uint8Array | object): string {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  const text =
    typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
  writeFileSync(join(dir, path), text);
  return join(dir, path);
}

function blob(layout: string, content: Uint8Array | object, mediaType: string) {
  const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
  const digest = digestOf(bytes);
  put(`${layout}/blobs/sha256/${hexOf(digest)}`, bytes);
  return { mediaType, digest, size: bytes.length };
}

/** A layout with one image of one layer; returns the descriptor of its manifest. */
function image(layout: string, layer: Uint8Array = randomBytes(300_000)) {
  const config = blob(
    layout,
    { rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } },
    MEDIA_TYPE.ociConfig,
  );
  const layers = [blob(layout, layer, MEDIA_TYPE.ociLayer)];
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers };
  return { ...blob(layout, document, MEDIA_TYPE.ociManifest), config, layers, layer };
}

function index(
  layout: string,
  manifests: readonly { digest: string; annotations?: Record<string, string> }[],
): string {
  put(`${layout}/oci-layout`, { imageLayoutVersion: '1.0.0' });
  const entries = manifests.map(({ digest, annotations }) => ({
    mediaType: MEDIA_TYPE.ociManifest,
    digest,
    size: 1,
    annotations,
  }));
  put(`${layout}/index.json`, { schemaVersion: 2, manifests: entries });
  return join(dir, layout);
}

const tar = (folder: string, file: string): string => {
  execFileSync('tar', ['-C', join(dir, folder), '-cf', join(dir, file), '.']);
  return join(dir, file);
};

async function started(sources: string[], more: Partial<ServeOptions> = {}): Promise<RegistryServer> {
  server = await serve({ sources, ...more });
  return server;
}
const get = (path: string, init?: RequestInit) => fetch(`http://${server!.address}/v2/${path}`, init);
const json = async (path: string) => (await get(path)).json();
const ref = (name: string) => ({ 'org.opencontainers.image.ref.name': name });
const named = (name: string) => ({ 'io.containerd.image.name': name, ...ref('ignored') });

describe('names', () => {
  it('come from annotations, with and without library/, and from the name of the folder', async () => {
    const { digest } = image('My_Layout');
    const layout = index('My_Layout', [
      { digest, annotations: named('docker.io/library/redis:7') },
      { digest, annotations: ref('ghcr.io/a/b:1') },
      { digest, annotations: ref('v2') },
    ]);
    const { images } = await started([layout]);
    expect(images).toEqual(['a/b:1', 'library/redis:7', 'my-layout:v2', 'redis:7']);
    expect(await json('_catalog')).toEqual({ repositories: ['a/b', 'library/redis', 'my-layout', 'redis'] });
    expect(await json('redis/tags/list')).toEqual({ name: 'redis', tags: ['7'] });
  });

  it('default to latest; several unnamed images are one for several platforms', async () => {
    const [one, two] = [image('multi'), image('multi')];
    image('single');
    const single = index('single', [{ digest: image('single').digest }]);
    await started([index('multi', [one, two]), single]);
    expect(server!.images).toEqual(['multi:latest', 'single:latest']);
    const response = await get('multi/manifests/latest');
    expect(response.headers.get('content-type')).toBe(MEDIA_TYPE.ociIndex);
    expect(((await response.json()) as { manifests: unknown[] }).manifests).toHaveLength(2);
  });

  it('that mean two images are refused', async () => {
    const a = index('a', [{ ...image('a'), annotations: ref('x/y:1') }]);
    const b = index('b', [{ ...image('b'), annotations: ref('x/y:1') }]);
    await expect(started([a, b])).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await expect(started([put('c/nothing', 'here').replace(/\/nothing$/, '')])).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    await expect(started([join(dir, 'missing')])).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('are listed in pages', async () => {
    const { digest } = image('app');
    await started([
      index(
        'app',
        ['1', '2', '3'].map((tag) => ({ digest, annotations: ref(tag) })),
      ),
    ]);
    const response = await get('app/tags/list?n=2');
    expect(response.headers.get('link')).toBe('</v2/app/tags/list?n=2&last=2>; rel="next"');
    expect(await response.json()).toEqual({ name: 'app', tags: ['1', '2'] });
    expect(await json('app/tags/list?n=2&last=2')).toEqual({ name: 'app', tags: ['3'] });
  });
});

describe.each(['folder', 'tar'])('an OCI layout in a %s', (kind) => {
  it('is served: manifests by tag and digest, blobs whole and in ranges', async () => {
    const made = image('app');
    const folder = index('app', [{ ...made, annotations: ref('1') }]);
    const log: ServedRequest[] = [];
    await started([kind === 'tar' ? tar('app', 'app.tar') : folder], { log: (line) => void log.push(line) });
    expect((await get('')).status).toBe(200);
    for (const reference of ['1', made.digest]) {
      const response = await get(`app/manifests/${reference}`);
      expect(response.headers.get('docker-content-digest')).toBe(made.digest);
      expect(response.headers.get('content-type')).toBe(MEDIA_TYPE.ociManifest);
      expect(digestOf(Buffer.from(await response.arrayBuffer()))).toBe(made.digest);
    }
    const head = await get(`app/manifests/1`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
      200,
      `${made.size}`,
      '',
    ]);

    const path = `app/blobs/${made.layers[0]!.digest}`;
    const whole = await get(path);
    expect(whole.headers.get('accept-ranges')).toBe('bytes');
    expect(Buffer.from(await whole.arrayBuffer()).equals(made.layer)).toBe(true);
    expect((await get(path, { method: 'HEAD' })).headers.get('content-length')).toBe('300000');
    const cases: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=1000-299998', 1000, 299_999],
      ['bytes=299999-', 299_999, 300_000],
      ['bytes=5-999999', 5, 300_000],
      ['bytes=-7', 299_993, 300_000],
    ];
    for (const [range, start, end] of cases) {
      const part = await get(path, { headers: { range } });
      expect([part.status, part.headers.get('content-range')]).toEqual([
        206,
        `bytes ${start}-${end - 1}/300000`,
      ]);
      expect(Buffer.from(await part.arrayBuffer()).equals(made.layer.subarray(start, end))).toBe(true);
    }
    for (const range of ['bytes=0-1,3-4', 'pages=1-2', 'bytes=9-3']) {
      expect((await get(path, { headers: { range } })).status).toBe(200);
    }
    const beyond = await get(path, { headers: { range: 'bytes=300000-300001' } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */300000']);
    expect(log.map((line) => line.status)).toContain(416);
  });
});

describe('docker save archives', () => {
  function legacy(compress: boolean): { layers: Buffer[]; path: string } {
    const layers = [randomBytes(5000), randomBytes(7000)];
    const diff_ids = layers.map((layer) => digestOf(layer));
    const config = Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids } }),
    );
    const id = hexOf(digestOf(config));
    const stored = compress ? layers.map((layer) => gzipSync(layer)) : layers;
    put(`save/${id}.json`, config);
    put('save/aaa/layer.tar', stored[0]!);
    put('save/bbb/VERSION', '1.0');
    put('save/real/layer.tar', stored[1]!);
    symlinkSync('../real/layer.tar', join(dir, 'save/bbb/layer.tar'));
    const Layers = ['aaa/layer.tar', 'bbb/layer.tar'];
    put('save/manifest.json', [{ Config: `${id}.json`, RepoTags: ['redis:7', 'corp.example/x:2'], Layers }]);
    return { layers: stored, path: tar('save', 'old.tar') };
  }

  it.each([false, true])('older than docker 25 get a manifest (compressed layers: %s)', async (compress) => {
    const { layers, path } = legacy(compress);
    await started([path]);
    expect(server!.images).toEqual(['library/redis:7', 'redis:7', 'x:2']);
    const manifest = (await json('redis/manifests/7')) as { layers: { digest: string; mediaType: string }[] };
    expect(manifest.layers.map((layer) => layer.mediaType)).toEqual(
      Array(2).fill(compress ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayer),
    );
    for (const [i, layer] of manifest.layers.entries()) {
      expect(layer.digest).toBe(digestOf(layers[i]!));
      const bytes = Buffer.from(await (await get(`redis/blobs/${layer.digest}`)).arrayBuffer());
      expect(bytes.equals(layers[i]!)).toBe(true);
    }
  });

  it('whose OCI manifest lists no layers are read by manifest.json', async () => {
    const made = image('new');
    const hollow = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config: made.config, layers: [] };
    const manifest = blob('new', hollow, MEDIA_TYPE.ociManifest);
    index('new', [{ ...manifest, annotations: named('docker.io/library/app:1') }]);
    const inBlobs = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
    const Layers = [inBlobs(made.layers[0]!.digest)];
    put('new/manifest.json', [{ Config: inBlobs(made.config.digest), RepoTags: ['app:1'], Layers }]);
    await started([tar('new', 'new.tar')]);
    const served = (await json('app/manifests/1')) as { layers: unknown[] };
    expect(served.layers).toEqual(made.layers);
  });

  it('with a whole OCI manifest keep its digest', async () => {
    const made = image('both');
    index('both', [{ ...made, annotations: named('docker.io/library/app:1') }]);
    const Layers = [`blobs/sha256/${hexOf(made.layers[0]!.digest)}`];
    put('both/manifest.json', [
      { Config: `blobs/sha256/${hexOf(made.config.digest)}`, RepoTags: ['app:1'], Layers },
    ]);
    await started([tar('both', 'both.tar')]);
    expect((await get('app/manifests/1')).headers.get('docker-content-digest')).toBe(made.digest);
  });
});

describe('refusals', () => {
  it('are told in the form of the specification', async () => {
    const made = image('app');
    await started([index('app', [made])]);
    const nothing = `sha256:${'0'.repeat(64)}`;
    const cases: [string, number, string][] = [
      ['app/manifests/none', 404, 'MANIFEST_UNKNOWN'],
      [`app/manifests/${made.layers[0]!.digest}`, 404, 'MANIFEST_UNKNOWN'],
      [`app/blobs/${nothing}`, 404, 'BLOB_UNKNOWN'],
      ['app/blobs/sha256:..%2f..%2fetc', 400, 'DIGEST_INVALID'],
      ['app/blobs/sha256:zz', 400, 'DIGEST_INVALID'],
      [`other/blobs/${made.layers[0]!.digest}`, 404, 'NAME_UNKNOWN'],
      ['nonsense', 404, 'UNSUPPORTED'],
    ];
    for (const [path, status, code] of cases) {
      const response = await get(path);
      const { errors } = (await response.json()) as { errors: { code: string }[] };
      expect([path, response.status, errors[0]!.code]).toEqual([path, status, code]);
    }
    expect((await get('app/blobs/uploads/', { method: 'POST' })).status).toBe(405);
  });

  it('cover links that lead out of a layout, and tars that are not', async () => {
    const secret = put('secret', 'not for you');
    const made = image('app');
    const digest = digestOf('not for you');
    symlinkSync(secret, join(dir, `app/blobs/sha256/${hexOf(digest)}`));
    const folder = index('app', [made]);
    await started([folder]);
    expect((await get(`app/blobs/${digest}`)).status).toBe(404);
    const zipped = put('app.tar', gzipSync(readFileSync(tar('app', 'plain.tar'))));
    await expect(serve({ sources: [zipped] })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      details: { hint: expect.stringContaining('gunzip') },
    });
  });
});

describe('many clients', () => {
  it('read different ranges at the same time, and those that leave disturb nobody', async () => {
    const layer = randomBytes(8_000_000);
    const made = image('app', layer);
    await started([index('app', [made])]);
    const path = `app/blobs/${digestOf(layer)}`;
    for (let i = 0; i < 20; i++) {
      const leaving = new AbortController();
      const response = await get(path, { signal: leaving.signal });
      await response.body!.getReader().read();
      leaving.abort();
    }
    await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const start = i * 100_000;
        const part = await get(path, { headers: { range: `bytes=${start}-${start + 2_000_000}` } });
        const bytes = Buffer.from(await part.arrayBuffer());
        expect(bytes.equals(layer.subarray(start, start + 2_000_001))).toBe(true);
      }),
    );
  });
});
