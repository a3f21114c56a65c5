/** Several references in one command: what they share is fetched once, and each succeeds or fails by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { END_OF_ARCHIVE, tarEntry } from '../../bench/images/tar-header.js';
import { openStore } from '../../src/engine/store.js';
import { type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { gantry } from '../helpers/gantry-process.js';
import { noise } from '../helpers/random.js';
import { serveImage, sha256 } from '../helpers/serve-image.js';
import { inconsistencies, leftovers } from '../helpers/store-check.js';

const layer = (name: string, size: number): Buffer =>
  Buffer.concat([tarEntry({ name, type: '0', mode: 0o644, data: noise(size, size) }), END_OF_ARCHIVE]);

describe.skipIf(process.getuid?.() !== 0)('several references (needs root)', () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-references-'));
  const base = layer('base', 1_000_000);
  const upper = layer('upper', 1000);
  let registry: FaultyRegistry;
  let count = 0;
  let root: string;

  beforeAll(async () => {
    registry = await startFaultyRegistry();
    image('base', base);
    image('whole', base, upper);
  });
  afterAll(async () => {
    await registry.close();
    rmSync(work, { recursive: true, force: true });
  });

  const image = (repository: string, ...tars: Buffer[]): string => serveImage(registry, repository, ...tars);
  const blobOf = (tar: Buffer): string => sha256(gzipSync(tar));
  const pull = (...names: string[]) => {
    root = join(work, `root-${count++}`);
    registry.requests.length = 0;
    return gantry(root, 'pull', '-q', ...names.map((name) => `${registry.host}/${name}`));
  };
  const requestsFor = (digest: string): number =>
    registry.requests.filter(({ path }) => path.endsWith(digest)).length;

  it('fetches a common layer once', async () => {
    expect(await pull('base', 'whole', 'base')).toMatchObject({ code: 0, err: '' });
    expect(requestsFor(blobOf(base))).toBe(1);
    expect(openStore(root).images.list()).toHaveLength(2);
    expect(inconsistencies(root)).toEqual([]);
    expect(leftovers(root)).toEqual([]);
  });

  it('brings in an image whose base another one had given up when it failed', async () => {
    // `whole` fails at its upper layer and cancels its base, before the manifest of `base` is there.
    let n = 0;
    registry.fault = (_, path) => {
      if (path.endsWith(blobOf(base)) && n++ === 0) return { bytesPerSecond: 100_000 };
      if (path.endsWith(blobOf(upper))) return { status: 403 };
      if (path.includes('/base/manifests/')) return { dripMs: 2 };
      return undefined;
    };
    const { code, out, err } = await pull('whole', 'base');
    registry.fault = () => undefined;
    expect([code, out]).toEqual([1, `${registry.host}/base:latest\n`]);
    expect(err).toMatch(/403|denied/);
    expect(
      openStore(root)
        .tags.all()
        .map(({ reference }) => reference),
    ).toContain(`${registry.host}/base:latest`);
    expect(inconsistencies(root)).toEqual([]);
  });

  it('is no success when the reader of its output goes away before the image is there', async () => {
    registry.fault = (_, path) => (path.endsWith(blobOf(base)) ? { silent: true } : undefined);
    const command = `"${process.execPath}" dist/src/cli/gantry.js --root ${join(work, 'pipe')} pull ${registry.host}/base | true; exit $PIPESTATUS`;
    const piped = spawn('bash', ['-c', command]);
    const [code] = await once(piped, 'exit');
    registry.fault = () => undefined;
    expect(code).toBe(141);
  });

  it("makes the store's files as Docker does, whatever the shell's umask", async () => {
    const store = join(work, 'umask');
    const command = `umask 077; "${process.execPath}" dist/src/cli/gantry.js --root ${store} pull -q ${registry.host}/base`;
    const child = spawn('sh', ['-c', command]);
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    const { layers } = openStore(store);
    const record = join(layers.db.tarSplit(layers.list()[0]!.chainID), '..');
    expect(statSync(join(record, 'cache-id')).mode & 0o777).toBe(0o644);
  });
});
