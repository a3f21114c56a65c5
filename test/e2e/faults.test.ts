/**
 * Everything that can go wrong on the way, with the real program: it either gets over it, or says what happened,
 * exits with 1, and leaves no image, no layer and nothing that the next command does not sweep.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildImage } from '../../bench/images/layout.js';
import { END_OF_ARCHIVE, rawHeader, tarEntry } from '../../bench/images/tar-header.js';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import { openStore } from '../../src/engine/store.js';
import { type Fault, type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { gantry, startGantry } from '../helpers/gantry-process.js';
import { noise } from '../helpers/random.js';
import { serveLayout } from '../helpers/serve-layout.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';

const SIZE = 3_000_000;
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

describe.skipIf(process.getuid?.() !== 0)('faults on the way (needs root)', () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-faults-'));
  let registry: FaultyRegistry;
  let guarded: FaultyRegistry;
  /** The blob of the upper of two layers. */
  let blob: string;
  let count = 0;
  let root: string;

  beforeAll(async () => {
    const dir = join(work, 'image');
    const file = (name: string, data: Buffer): Buffer => tarEntry({ name, type: '0', mode: 0o644, data });
    const image = await buildImage({
      dir,
      layers: [
        { createdBy: 'small', from: [file('small', Buffer.from('small')), END_OF_ARCHIVE] },
        { createdBy: 'large', from: [file('large', noise(SIZE, 1)), END_OF_ARCHIVE] },
      ],
    });
    blob = image.layers[1]!.digest;
    registry = await startFaultyRegistry();
    guarded = await startFaultyRegistry({ auth: true });
    for (const server of [registry, guarded]) serveLayout(server, dir, 'test');
  });
  afterAll(async () => {
    await Promise.all([registry.close(), guarded.close()]);
    rmSync(work, { recursive: true, force: true });
  });
  afterEach(() => {
    registry.fault = guarded.fault = () => undefined;
  });

  /** Does `wrong(n)` to the n-th request for the large blob. */
  function spoil(wrong: (n: number) => Fault | undefined, server = registry): void {
    let n = 0;
    server.fault = (_, path) => (path.endsWith(blob) ? wrong(n++) : undefined);
  }
  const pull = (reference = `${registry.host}/test`) => {
    root = join(work, `root-${count++}`);
    return gantry(root, 'pull', '-q', reference);
  };
  async function expectWhole(): Promise<void> {
    expect(openStore(root).images.list()).toHaveLength(1);
    expect(inconsistencies(root)).toEqual([]);
    expect(await damagedLayers(root)).toEqual([]);
    expect(leftovers(root)).toEqual([]);
  }
  /** No image and no tag; a verified layer may stay, parked or committed, until prune. */
  async function expectNothing(): Promise<void> {
    expect(openStore(root).images.list()).toEqual([]);
    expect(openStore(root).tags.all()).toEqual([]);
    expect(inconsistencies(root)).toEqual([]);
    expect(
      leftovers(root).filter((path) => path.startsWith('gantry/tmp') || path.startsWith('overlay2')),
    ).toEqual([]);
    expect(await gantry(root, 'system', 'prune', '-f')).toMatchObject({ code: 0 });
    expect(leftovers(root)).toEqual([]);
    expect(openStore(root).layers.list()).toEqual([]);
  }

  describe('overcome', () => {
    const overcome: [what: string, wrong: (n: number) => Fault | undefined][] = [
      ['a connection cut twice', (n) => (n < 2 ? { cutAfter: 500_000 } : undefined)],
      [
        '200 to a Range after a short prefix',
        (n) => (n === 0 ? { cutAfter: 300_000 } : { ignoreRange: true }),
      ],
      [
        '200 to a Range after a long prefix',
        (n) => (n === 0 ? { cutAfter: 2_500_000 } : { ignoreRange: true }),
      ],
      [
        '429 with Retry-After',
        (n) => (n === 0 ? { status: 429, headers: { 'Retry-After': '1' } } : undefined),
      ],
      ['503', (n) => (n < 2 ? { status: 503 } : undefined)],
      ['a length that is not told', () => ({ chunked: true })],
    ];
    it.each(overcome)(
      '%s',
      async (_, wrong) => {
        spoil(wrong);
        expect(await pull()).toEqual({ code: 0, out: `${registry.host}/test:latest\n`, err: '' });
        await expectWhole();
      },
      30_000,
    );

    it('a token that expires in the middle of the pull', async () => {
      spoil((n) => {
        if (n === 0) guarded.expireToken();
        return n < 2 ? { cutAfter: 500_000 } : undefined;
      }, guarded);
      expect(await pull(`${guarded.host}/test`)).toMatchObject({ code: 0, err: '' });
      await expectWhole();
    }, 30_000);

    it.each(['SIGINT', 'SIGTERM'] as const)(
      '%s, by the next pull, which goes on where it was',
      async (signal) => {
        root = join(work, `root-${count++}`);
        spoil(() => ({ bytesPerSecond: SIZE / 20 }));
        const asked = () => registry.requests.filter(({ path }) => path.endsWith(blob)).length;
        const earlier = asked();
        const canceled = startGantry(root, 'pull', '-q', `${registry.host}/test`);
        await expect.poll(asked, { timeout: 10_000 }).toBeGreaterThan(earlier);
        await sleep(6500); // what comes is kept after 5 s
        const began = performance.now();
        canceled.kill(signal);
        expect(await canceled.ended).toMatchObject({ code: 130, out: '' });
        expect(performance.now() - began).toBeLessThan(10_000); // of the 13 s that were left
        expect(leftovers(root).filter((path) => path.startsWith('gantry/tmp'))).toEqual([]);
        spoil(() => undefined);
        const before = registry.requests.length;
        expect(await gantry(root, 'pull', '-q', `${registry.host}/test`)).toMatchObject({ code: 0 });
        const ranges = registry.requests
          .slice(before)
          .filter(({ path }) => path.endsWith(blob))
          .map(({ headers }) => headers.range);
        expect(ranges[0]).toMatch(/^bytes=0-\d{6,}$/);
        await expectWhole();
      },
      30_000,
    );

    it('a pull that failed, by the next one, which does not fetch again what is done', async () => {
      // Refused at the second try: by then the small layer is done.
      spoil((n) => ({ status: n === 0 ? 503 : 403 }));
      expect(await pull()).toMatchObject({ code: 1 });
      registry.fault = () => undefined;
      const before = registry.requests.length;
      expect(await gantry(root, 'pull', '-q', `${registry.host}/test`)).toMatchObject({ code: 0 });
      const blobs = registry.requests.slice(before).filter(({ path }) => path.includes('/blobs/'));
      expect(blobs.map(({ path }) => path.slice(path.indexOf('sha256:')))).toContain(blob);
      expect(blobs).toHaveLength(2); // the config and this layer
      await expectWhole();
    });
  });

  describe('reported', () => {
    const reported: [what: string, wrong: (n: number) => Fault | undefined, message: RegExp][] = [
      [
        'another length',
        () => ({ body: noise(SIZE, 2) }),
        /expected \d+ bytes from .*, found a Content-Length of 3000000/,
      ],
      ['a wrong bit in what is compressed', () => ({ body: spoiled(1_500_000) }), /invalid gzip stream/],
      [
        'a wrong bit where only the digest tells',
        () => ({ body: spoiled(5) }),
        /digest of the blob: expected sha256:\w+, found sha256:/,
      ],
      ['more bytes than told', () => ({ extra: Buffer.from('more') }), /expected \d+.*found|bytes/],
      ['403', () => ({ status: 403 }), /403|denied/],
      ['404', () => ({ status: 404 }), /404|not found/],
      [
        'a redirect to a place that does not answer',
        () => ({ redirect: 'http://127.0.0.1:9/' }),
        /ECONNREFUSED|refused/,
      ],
    ];
    /** The right blob but for one bit; the fifth byte of gzip is a time that nobody checks. */
    function spoiled(at: number): Buffer {
      const bytes = Buffer.from(
        execFileSync('cat', [join(work, 'image/blobs', blob.replace(':', '/'))], { maxBuffer: 1 << 24 }),
      );
      bytes[at]! ^= 1;
      return bytes;
    }
    it.each(reported)(
      '%s',
      async (_, wrong, message) => {
        spoil(wrong);
        const { code, out, err } = await pull();
        expect([code, out]).toEqual([1, '']);
        expect(err).toMatch(message);
        await expectNothing();
      },
      60_000,
    );

    /** An image of one layer whose blob and diffID are as told. */
    function odd(bytes: Buffer, diffID: string): string {
      const repository = `odd-${count}`;
      const config = Buffer.from(
        JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          config: {},
          rootfs: { type: 'layers', diff_ids: [diffID] },
        }),
      );
      const descriptor = (mediaType: string, content: Buffer) => ({
        mediaType,
        digest: registry.blob(content),
        size: content.length,
      });
      const layers = [descriptor(MEDIA_TYPE.ociLayerGzip, bytes)];
      const manifest = {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: descriptor(MEDIA_TYPE.ociConfig, config),
        layers,
      };
      registry.manifest(repository, 'latest', manifest, MEDIA_TYPE.ociManifest);
      return `${registry.host}/${repository}`;
    }
    const tar = Buffer.concat([
      tarEntry({ name: 'x', type: '0', mode: 0o644, data: noise(100_000, 3) }),
      END_OF_ARCHIVE,
    ]);
    const bad: [what: string, bytes: () => Buffer, diffID: () => string, message: RegExp][] = [
      [
        'a wrong diffID',
        () => gzipSync(tar),
        () => sha256(Buffer.from('another')),
        /diffID: expected sha256:\w+, found sha256:/,
      ],
      [
        'gzip that ends early',
        () => gzipSync(tar).subarray(0, -2000),
        () => sha256(tar),
        /gzip|truncated|end/,
      ],
      [
        'gzip with a wrong checksum',
        () => {
          const bytes = gzipSync(tar);
          bytes[bytes.length - 6]! ^= 1;
          return bytes;
        },
        () => sha256(tar),
        /gzip|check/,
      ],
      ['what is no tar', () => gzipSync(noise(10_000, 4)), () => sha256(noise(10_000, 4)), /checksum|tar/],
      [
        'a tar that ends early',
        () => gzipSync(tar.subarray(0, 50_000)),
        () => sha256(tar.subarray(0, 50_000)),
        /unexpected end of the archive/,
      ],
      [
        'an entry that leaves the root',
        () => gzipSync(hostile()),
        () => sha256(hostile()),
        /"\.\.\/x": name leaves the root/,
      ],
    ];
    const hostile = (): Buffer =>
      Buffer.concat([tarEntry({ name: '../x', type: '0', mode: 0o644 }), END_OF_ARCHIVE]);
    it.each(bad)('%s', async (_, bytes, diffID, message) => {
      const { code, out, err } = await pull(odd(bytes(), diffID()));
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(message);
      await expectNothing();
    });

    it('a gzip bomb', async () => {
      // Members of 8 MiB of zeros, all the same 8 kB: an entry of 2 GiB in a blob of 2 MB, with a bound at 1 GiB.
      const header = rawHeader({ name: 'zeros', type: '0', mode: 0o644, size: 2 ** 31 });
      const member = gzipSync(Buffer.alloc(8 << 20));
      const bomb = Buffer.concat([gzipSync(header), ...Array.from({ length: 256 }, () => member)]);
      const { code, err } = await pull(odd(bomb, sha256(Buffer.from('never seen'))));
      expect(code).toBe(1);
      expect(err).toMatch(/inflate to more than 1073741824/);
      await expectNothing();
    }, 60_000);

    const full: [what: string, reference: () => string, message: RegExp][] = [
      [
        'before anything is fetched',
        () => `${registry.host}/test`,
        /3001\d+ bytes of layers to fetch, \d+ bytes free\n {2}hint:/,
      ],
      ['while it is unpacked', () => odd(gzipSync(zeros), sha256(zeros)), /write "zeros": ENOSPC\n {2}hint:/],
    ];
    const zeros = Buffer.concat([
      tarEntry({ name: 'zeros', type: '0', mode: 0o644, data: Buffer.alloc(8 << 20) }),
      END_OF_ARCHIVE,
    ]);
    it.each(full)('a full disk, %s', async (_, reference, message) => {
      root = join(work, `root-${count++}`);
      mkdirSync(root);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2500k', 'tmpfs', root]);
      try {
        const { code, err } = await gantry(root, 'pull', '-q', reference());
        expect(code).toBe(1);
        expect(err).toMatch(message);
        await expectNothing();
      } finally {
        execFileSync('umount', [root]);
      }
    });
  });
});
