/**
 * kill -9 at random moments of `gantry commit`, with and without --consume: at every such instant the store is consistent, the
 * container's files are whole in the container or in the image, and the next commit makes the image.
 * GANTRY_SEED and GANTRY_KILLS repeat or prolong a run.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chainIDsOf } from '../../src/core/digest/digest.js';
import { parseContainerID } from '../../src/core/ids.js';
import { openStore } from '../../src/engine/store.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { builtGantry, startGantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { noise, random } from '../helpers/random.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';
import { whyNoContainers } from '../runtime/busybox.js';

const SEED = Number(process.env.GANTRY_SEED ?? 51_407);
const KILLS = Number(process.env.GANTRY_KILLS ?? 8);
const why = whyNoContainers();

describe.skipIf(why !== undefined)(
  `${KILLS} killed commits (seed ${SEED})${why ? ` (skipped: ${why})` : ''}`,
  () => {
    const dir = temporaryDirectory();
    const root = join(dir.path, 'root');
    const made = join(dir.path, 'made');
    const store = openStore(root);
    let image: string;

    const ok = (...args: string[]): string => {
      const { code, out, err } = builtGantry(root, ...args);
      expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
      return out.trim();
    };
    const upperOf = (id: string) => store.layers.db.mounts.get(parseContainerID(id))?.mountID;
    /** What is in a write layer or a layer; its root is the mount's. */
    const treeOf = (cacheID: string): Tree => {
      const tree = new Map(readTree(store.driver.files(cacheID as never)));
      tree.delete('');
      return tree;
    };
    const same = (a: Tree, b: Tree) => diffTrees(a, b).length === 0;
    /** The top layer of the image that a tag names. */
    const committed = (tag: string): Tree | undefined => {
      const id = store.tags.get(tag);
      const chain = id && chainIDsOf(store.images.get(id)!.config.rootfs.diff_ids ?? []);
      return chain && treeOf(store.layers.get(chain.at(-1)!)!.cacheID);
    };
    const newContainer = (mark: string): string => {
      const id = ok('create', image, 'sh');
      const upper = store.driver.files(upperOf(id)!);
      execFileSync('cp', ['-a', `${made}/.`, upper]);
      writeFileSync(join(upper, 'mark'), mark); // each makes a layer of its own
      return id;
    };

    beforeAll(async () => {
      image = (await busyboxImage(store)).id;
      for (let at = 0; at < 10; at++) {
        mkdirSync(join(made, `d${at}`), { recursive: true });
        for (let file = 0; file < 50; file++)
          writeFileSync(join(made, `d${at}`, `${file}`), noise(3000, at + file));
      }
      writeFileSync(join(made, 'big'), noise(20_000_000, 1));
    });
    afterAll(() => dir.remove());

    it('leave the files whole, and the next one makes the image', async () => {
      const next = random(SEED);
      const counts = { container: 0, image: 0, both: 0, ended: 0 };
      const began = performance.now();
      ok('commit', newContainer('first'), 'first:1');
      const undisturbed = Math.ceil(performance.now() - began);
      for (let kill = 0; kill < KILLS; kill++) {
        const consume = kill % 2 === 1 ? ['--consume'] : [];
        const tag = `of:${kill}`;
        const id = newContainer(tag);
        const before = treeOf(upperOf(id)!);
        const commit = startGantry(root, 'commit', ...consume, id, tag);
        const ended = await Promise.race([commit.ended, sleep(50 + next(undisturbed))]);
        if (ended === undefined) commit.kill('SIGKILL');
        await commit.ended;
        const where = `kill ${kill} ${consume}`;
        expect(inconsistencies(root), where).toEqual([]);

        const upper = upperOf(id);
        const inContainer =
          upper !== undefined && existsSync(store.driver.files(upper)) && same(before, treeOf(upper));
        const layer = committed(tag);
        const inImage = layer !== undefined && same(before, layer);
        expect(inContainer || inImage, where).toBe(true);
        if (consume.length === 0) expect(inContainer, where).toBe(true);
        if (layer !== undefined) expect(inImage, where).toBe(true);
        counts[ended ? 'ended' : inContainer && inImage ? 'both' : inImage ? 'image' : 'container']++;

        const again = builtGantry(root, 'commit', ...consume, id, tag);
        // Killed after the very last step, the container was gone.
        if (inContainer) expect(again, where).toMatchObject({ code: 0, err: '' });
        expect(diffTrees(before, committed(tag)!), where).toEqual([]);
        if (consume.length > 0) expect(builtGantry(root, 'inspect', id).code, where).toBe(1);
        else ok('rm', id);
      }
      console.log(`seed ${SEED}:`, JSON.stringify(counts));
      expect(counts.container).toBeGreaterThan(0);
      // The base has no tar.
      const [base] = store.images.get(image as never)!.config.rootfs.diff_ids!;
      expect((await damagedLayers(root)).filter((line) => !line.startsWith(`layer ${base}`))).toEqual([]);
      ok('system', 'prune', '-f');
      expect(leftovers(root)).toEqual([]);
    }, 120_000);
  },
);
