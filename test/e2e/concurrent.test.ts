/** Eight pulls at once, in processes of their own, of images that share layers, while another process prunes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage, type LayerSource } from '../../bench/images/layout.js';
import { END_OF_ARCHIVE, tarEntry } from '../../bench/images/tar-header.js';
import { openStore } from '../../src/engine/store.js';
import { type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { gantry } from '../helpers/gantry-process.js';
import { noise } from '../helpers/random.js';
import { serveLayout } from '../helpers/serve-layout.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';

/** Layers by letter, bottom first; equal beginnings are shared. */
const IMAGES = ['abc', 'abd', 'abcd', 'ax', 'axbc', 'cab', 'abc', 'ab'];

describe.skipIf(process.getuid?.() !== 0)('pulls beside each other (needs root)', () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-concurrent-'));
  const root = join(work, 'root');
  let registry: FaultyRegistry;
  const references: string[] = [];

  const layer = (letter: string): LayerSource => ({
    createdBy: letter,
    from: [
      ...[0, 1, 2].map((at) =>
        tarEntry({
          name: `${letter}/${at}`,
          type: '0',
          mode: 0o644,
          data: noise(700_000, letter.charCodeAt(0) * 8 + at),
        }),
      ),
      END_OF_ARCHIVE,
    ],
  });

  beforeAll(async () => {
    registry = await startFaultyRegistry();
    for (const [at, letters] of IMAGES.entries()) {
      const image = await buildImage({ dir: join(work, `image-${at}`), layers: [...letters].map(layer) });
      references.push(serveLayout(registry, image.dir, `image-${at}`));
    }
  });
  afterAll(async () => {
    await registry.close();
    rmSync(work, { recursive: true, force: true });
  });

  it('all succeed, fetch each shared layer once, and lose nothing to prune', async () => {
    registry.fault = (_, path) => (path.includes('/blobs/') ? { bytesPerSecond: 4_000_000 } : undefined);
    let pulling = true;
    const pruned = (async () => {
      const exits: (number | null)[] = [];
      while (pulling) exits.push((await gantry(root, 'system', 'prune', '-f')).code);
      return exits;
    })();
    const exits = await Promise.all(references.map((reference) => gantry(root, 'pull', '-q', reference)));
    pulling = false;
    expect(exits.map(({ code, err }) => [code, err])).toEqual(references.map(() => [0, '']));
    expect(new Set(await pruned)).toEqual(new Set([0]));

    expect(inconsistencies(root)).toEqual([]);
    expect(await damagedLayers(root)).toEqual([]);
    const chains = new Set(
      IMAGES.flatMap((letters) => [...letters].map((_, at) => letters.slice(0, at + 1))),
    );
    const store = openStore(root);
    expect(store.layers.list()).toHaveLength(chains.size);
    expect(store.tags.all().filter(({ reference }) => reference.endsWith(':latest'))).toHaveLength(
      references.length,
    );
    expect((await gantry(root, 'system', 'prune', '-f')).code).toBe(0);
    expect(leftovers(root)).toEqual([]);

    // A layer is fetched for each chain that it is in, and never for a chain twice.
    const blobs = registry.requests.filter(({ path }) => /\/blobs\//.test(path));
    const configs = references.length;
    expect(blobs.length - configs).toBeLessThanOrEqual(chains.size);
  }, 120_000);

  it('one command for all of them does the same', async () => {
    registry.fault = () => undefined;
    const other = join(work, 'other');
    expect(await gantry(other, 'pull', '-q', ...references)).toMatchObject({ code: 0, err: '' });
    expect(inconsistencies(other)).toEqual([]);
    expect(await damagedLayers(other)).toEqual([]);
    const shape = (at: string) =>
      openStore(at)
        .layers.list()
        .map(({ chainID }) => chainID)
        .sort();
    expect(shape(other)).toEqual(shape(root));
  }, 60_000);
});
