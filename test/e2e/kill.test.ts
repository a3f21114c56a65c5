/**
 * kill -9 at random moments of `gantry pull`, on networks of several speeds: at every such instant the store is
 * consistent, what is done is never fetched again, and a pull that may end gives the right image.
 * GANTRY_SEED and GANTRY_KILLS repeat or prolong a run.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureImage } from '../../bench/images/build.js';
import { type ChainID, chainIDsOf, type DiffID } from '../../src/core/digest/digest.js';
import { openStore } from '../../src/engine/store.js';
import { type FaultyRegistry, startFaultyRegistry } from '../helpers/faulty-registry.js';
import { gantry, startGantry } from '../helpers/gantry-process.js';
import { random } from '../helpers/random.js';
import { serveLayout } from '../helpers/serve-layout.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';

const SEED = Number(process.env.GANTRY_SEED ?? 73_963);
const KILLS = Number(process.env.GANTRY_KILLS ?? 24);
const MB = 1_000_000;
/**
 * Bytes a second for each layer, and the milliseconds within which to kill (undefined: within an undisturbed pull).
 * The slowest reaches partial files.
 */
const NETWORKS = [
  { rate: undefined, within: undefined },
  { rate: undefined, within: undefined },
  { rate: undefined, within: undefined },
  { rate: 30 * MB, within: 3000 },
  { rate: 4 * MB, within: 6500 },
] as const;

describe.skipIf(process.getuid?.() !== 0)(`${KILLS} killed pulls of redis (needs root; seed ${SEED})`, () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-kill-'));
  let registry: FaultyRegistry;
  let reference: string;
  let layers: { digest: string; size: number; chainID: ChainID }[];
  let whole: Tree[];
  let undisturbedMs: number;

  beforeAll(async () => {
    const image = await ensureImage('redis');
    registry = await startFaultyRegistry();
    reference = serveLayout(registry, image.dir, 'redis');
    const chain = chainIDsOf(image.layers.map(({ diffID }) => diffID as DiffID));
    layers = image.layers.map(({ digest, size }, at) => ({ digest, size, chainID: chain[at]! }));
    const undisturbed = join(work, 'undisturbed');
    const began = performance.now();
    expect(await gantry(undisturbed, 'pull', '-q', reference)).toMatchObject({ code: 0 });
    undisturbedMs = Math.ceil(performance.now() - began);
    whole = treesOf(undisturbed);
  }, 600_000);
  afterAll(async () => {
    await registry.close();
    rmSync(work, { recursive: true, force: true });
  });

  /** Each layer's own tree, bottom first. */
  function treesOf(root: string): Tree[] {
    const store = openStore(root);
    return layers.map(({ chainID }) => readTree(store.driver.files(store.layers.get(chainID)!.cacheID)));
  }

  /** Blobs that a pull need not ask for: their layers are committed or parked. */
  function done(root: string): Set<string> {
    const { layers: known } = openStore(root);
    const there = ({ chainID }: { chainID: ChainID }) => known.get(chainID) ?? known.parked(chainID);
    return new Set(layers.filter(there).map(({ digest }) => digest));
  }

  /** Bytes kept of each blob: `<hex>.<start>` holds [start, length). */
  function kept(root: string): Map<string, number> {
    const dir = join(root, 'gantry/partial');
    try {
      const files = readdirSync(dir).map(
        (name) => [...name.split('.'), statSync(join(dir, name)).size] as const,
      );
      return new Map(files.map(([hex, start, end]) => [`sha256:${hex}`, Number(end) - Number(start)]));
    } catch {
      return new Map();
    }
  }

  /** Bytes asked for since `first`, by blob. */
  function asked(first: number): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { path, headers } of registry.requests.slice(first)) {
      const layer = layers.find(({ digest }) => path.endsWith(digest));
      if (layer === undefined) continue;
      const [, from = '0', to = `${layer.size - 1}`] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
      sums.set(layer.digest, (sums.get(layer.digest) ?? 0) + Number(to) - Number(from) + 1);
    }
    return sums;
  }

  it('are consistent, resumed, and right in the end', async () => {
    const next = random(SEED);
    const counts = {
      killed: 0,
      completed: 0,
      reusedLayers: 0,
      reusedPartials: 0,
      reusedBytes: 0,
      states: new Map<string, number>(),
    };
    let root = join(work, '0');
    let killedHere = 0;
    while (counts.killed < KILLS) {
      const network = NETWORKS[next(NETWORKS.length)]!;
      // A pull that is not killed now and then, so that what a kill left is brought to its end.
      const survives = next(5) === 0;
      registry.fault = (_, path) =>
        path.includes('/blobs/') && network.rate !== undefined && !survives
          ? { bytesPerSecond: network.rate }
          : undefined;
      const doneBefore = done(root);
      const keptBefore = kept(root);
      const first = registry.requests.length;
      const pull = startGantry(root, 'pull', '-q', reference);
      let killed = false;
      if (!survives) {
        const ended = await Promise.race([pull.ended, sleep(20 + next(network.within ?? undisturbedMs))]);
        killed = ended === undefined;
        if (killed) pull.kill('SIGKILL');
      }
      const exit = await pull.ended;
      const where = `kill ${counts.killed}, root ${root}`;
      expect(inconsistencies(root), where).toEqual([]);

      const bytes = asked(first);
      for (const digest of doneBefore)
        expect(bytes.get(digest) ?? 0, `${where}: asked again for ${digest}`).toBe(0);
      counts.reusedLayers += doneBefore.size;
      for (const { digest, size } of layers) {
        const had = keptBefore.get(digest) ?? 0;
        if (had === 0 || doneBefore.has(digest) || killed) continue;
        // Nothing is asked for where the kill came after the last byte.
        expect(bytes.get(digest) ?? 0, `${where}: ${had} of ${size} bytes of ${digest} were kept`).toBe(
          size - had,
        );
        counts.reusedPartials++;
        counts.reusedBytes += had;
      }
      if (killed) {
        counts.killed++;
        killedHere++;
        const state = `${done(root).size} layers${kept(root).size > 0 ? ' and parts' : ''}`;
        counts.states.set(state, (counts.states.get(state) ?? 0) + 1);
        if (next(5) === 0) expect(await gantry(root, 'images')).toMatchObject({ code: 0, err: '' });
        continue;
      }
      expect(exit, where).toMatchObject({ code: 0, err: '' });
      counts.completed++;
      expect(done(root).size).toBe(layers.length);
      if (killedHere > 0) {
        expect(await damagedLayers(root)).toEqual([]);
        for (const [at, tree] of treesOf(root).entries()) expect(diffTrees(whole[at]!, tree)).toEqual([]);
      }
      expect(await gantry(root, 'system', 'prune', '-f')).toMatchObject({ code: 0 });
      expect(leftovers(root)).toEqual([]);
      expect(done(root).size).toBe(layers.length);
      root = join(work, String(counts.completed));
      killedHere = 0;
    }
    console.log(`seed ${SEED}:`, JSON.stringify({ ...counts, states: [...counts.states].sort() }));
    expect(counts.completed).toBeGreaterThan(0);
    expect(counts.reusedLayers).toBeGreaterThan(0);
  }, 600_000);
});
