/**
 * A layer that two threads share (over 8 MiB and most of the image), and all that can go wrong on its way, with the
 * real program.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { END_OF_ARCHIVE, rawHeader, tarEntry } from '../../bench/images/tar-header.js';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import { openStore } from '../../src/engine/store.js';
import { type Fault, type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { gantry, startGantry } from '../helpers/gantry-process.js';
import { noise } from '../helpers/random.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';

const MiB = 1 << 20;
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const gzip = (bytes: Uint8Array): Buffer => gzipSync(bytes, { level: 1 });
/** Of files of 1 MiB that do not compress. */
const tarOf = (files: number, ...more: Buffer[]): Buffer =>
  Buffer.concat([
    ...Array.from({ length: files }, (_, n) =>
      tarEntry({ name: `file-${n}`, type: '0', mode: 0o644, data: noise(MiB, n) }),
    ),
    ...more,
    END_OF_ARCHIVE,
  ]);

// One core has no second thread to give: the layer would go the common way.
describe.skipIf(process.getuid?.() !== 0 || availableParallelism() < 2)(
  'a layer for two threads (needs root and two cores)',
  () => {
    const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-split-'));
    const tar = tarOf(9);
    const blob = gzip(tar);
    let registry: FaultyRegistry;
    let count = 0;
    let root: string;

    beforeAll(async () => {
      registry = await startFaultyRegistry();
    });
    afterAll(async () => {
      await registry.close();
      rmSync(work, { recursive: true, force: true });
    });
    afterEach(() => {
      registry.fault = () => undefined;
    });

    /** An image of this layer alone, whose diffIDs are as told; does `wrong(n)` to the n-th request for the layer. */
    function image(
      bytes: Buffer,
      wrong: (n: number) => Fault | undefined = () => undefined,
      ...diffIDs: string[]
    ): string {
      const repository = `image-${count}`;
      root = join(work, `root-${count++}`);
      const descriptor = (mediaType: string, content: Buffer) => ({
        mediaType,
        digest: registry.blob(content),
        size: content.length,
      });
      const layer = descriptor(MEDIA_TYPE.ociLayerGzip, bytes);
      const diff_ids = diffIDs.length === 0 ? [sha256(tar)] : diffIDs;
      const rootfs = { type: 'layers', diff_ids };
      const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
      const manifest = {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: descriptor(MEDIA_TYPE.ociConfig, config),
        layers: diff_ids.map(() => layer),
      };
      registry.manifest(repository, 'latest', manifest, MEDIA_TYPE.ociManifest);
      let n = 0;
      registry.fault = (_, path) => (path.endsWith(layer.digest) ? wrong(n++) : undefined);
      return `${registry.host}/${repository}`;
    }
    const pull = (reference: string) => gantry(root, 'pull', '-q', reference);

    async function expectWhole(): Promise<void> {
      expect(openStore(root).images.list()).toHaveLength(1);
      expect(inconsistencies(root)).toEqual([]);
      expect(await damagedLayers(root)).toEqual([]);
      expect(leftovers(root)).toEqual([]);
    }
    function expectNothing(): void {
      expect(openStore(root).images.list()).toEqual([]);
      expect(openStore(root).layers.list()).toEqual([]);
      expect(inconsistencies(root)).toEqual([]);
      expect(leftovers(root)).toEqual([]);
    }

    const overcome: [what: string, wrong: (n: number) => Fault | undefined][] = [
      ['nothing at all', () => undefined],
      ['a connection cut twice', (n) => (n < 2 ? { cutAfter: 3_000_000 } : undefined)],
      [
        '200 to a Range after a long prefix, twice: it begins again',
        (n) => (n < 3 ? { cutAfter: 5_000_000, ignoreRange: true } : { ignoreRange: true }),
      ],
    ];
    it.each(overcome)(
      'gets over %s',
      async (_, wrong) => {
        expect(await pull(image(blob, wrong))).toMatchObject({ code: 0, err: '' });
        await expectWhole();
      },
      30_000,
    );

    it('is fetched once for each place that it has in one image', async () => {
      const reference = image(blob, undefined, sha256(tar), sha256(tar));
      expect(await pull(reference)).toMatchObject({ code: 0, err: '' });
      await expectWhole();
      expect(openStore(root).layers.list()).toHaveLength(2);
    }, 30_000);

    const damaged = Buffer.from(blob);
    damaged[5]! ^= 1; // a time in gzip's header that nobody checks
    const missing = tarOf(
      9,
      rawHeader({ name: 'link', type: '1', mode: 0o644, size: 0, linkname: 'no-such-file' }),
    );
    const short = tar.subarray(0, 8.5 * MiB);
    const reported: [what: string, reference: () => string, message: RegExp][] = [
      [
        'a wrong digest of the blob',
        () => image(blob, () => ({ body: damaged })),
        /digest of the blob: expected sha256:\w+, found sha256:/,
      ],
      ['a wrong diffID', () => image(blob, undefined, sha256(damaged)), /diffID: expected sha256:\w+, found/],
      ['gzip that ends early', () => image(blob.subarray(0, -MiB)), /gzip/],
      [
        'a tar that ends early',
        () => image(gzip(short), undefined, sha256(short)),
        /unexpected end of the archive/,
      ],
      [
        'an entry that cannot be made, at the far end',
        () => image(gzip(missing), undefined, sha256(missing)),
        /"link": hardlink target "no-such-file" is not in this layer/,
      ],
      [
        'a server that ignores Range and cuts for ever',
        () => image(blob, () => ({ cutAfter: 5_000_000, ignoreRange: true })),
        /the server ignores range requests and the connection keeps failing/,
      ],
    ];
    it.each(reported)(
      'reports %s',
      async (_, reference, message) => {
        const { code, out, err } = await pull(reference());
        expect([code, out]).toEqual([1, '']);
        expect(err).toMatch(message);
        expectNothing();
      },
      60_000,
    );

    it('stops both threads at Ctrl-C, while one waits for the other', async () => {
      const reference = image(blob, () => ({ bytesPerSecond: 2 * MiB }));
      const canceled = startGantry(root, 'pull', '-q', reference);
      await sleep(1500);
      canceled.kill('SIGINT');
      expect(await canceled.ended).toMatchObject({ code: 130, out: '' });
      expectNothing();
    }, 30_000);
  },
);
