/**
 * One root, two engines: a real dockerd on what `gantry pull` wrote, and gantry on what dockerd pulled. Images are
 * redis and the torture image; the latter also in the form that dockerd itself could not have pulled (two entries for
 * one path, GNU sparse), whose tars it still has to give back byte for byte.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureImage } from '../../bench/images/build.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { type Docker, dockerdPresent, savedLayers, withDockerd } from '../helpers/dockerd.js';
import { gantry } from '../helpers/gantry-process.js';
import { type RegistryFixture, startRegistry } from '../helpers/registry-fixture.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';
import { buildTortureImage } from '../helpers/torture-image.js';

interface Pushed {
  readonly name: string;
  readonly reference: string;
  readonly diffIDs: string[];
}

describe.skipIf(process.getuid?.() !== 0 || !dockerdPresent)(
  'one root for gantry and dockerd (needs root and docker.io)',
  () => {
    const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-dockerd-'));
    let registry: RegistryFixture;
    let redis: Pushed;
    let torture: Pushed;
    let extreme: Pushed;

    beforeAll(async () => {
      registry = await startRegistry();
      const push = async (
        name: string,
        layout: Parameters<RegistryFixture['push']>[0] & { layers: readonly { diffID: string }[] },
      ) => ({
        name,
        reference: await registry.push(layout, name),
        diffIDs: layout.layers.map(({ diffID }) => diffID),
      });
      redis = await push('redis', await ensureImage('redis'));
      torture = await push('torture', await buildTortureImage(join(work, 'torture'), { forPeers: true }));
      extreme = await push('extreme', await buildTortureImage(join(work, 'extreme')));
    }, 600_000);
    afterAll(async () => {
      await registry.stop();
      for (const name of readdirSync(work)) {
        rmSync(runDirectory(join(work, name, 'root')), { recursive: true, force: true });
      }
      rmSync(work, { recursive: true, force: true });
    });

    const place = (name: string) => {
      const directory = join(work, name);
      mkdirSync(directory);
      return { directory, root: join(directory, 'root') };
    };
    const run = async (root: string, ...args: string[]): Promise<string> => {
      const { code, out, err } = await gantry(root, ...args);
      expect([code, err], args.join(' ')).toEqual([0, '']);
      return out.trim();
    };
    const saves = (docker: Docker, reference: string, directory: string): boolean => {
      try {
        return savedLayers(docker, reference, directory).length > 0;
      } catch (error) {
        expect(String(error)).toContain('could not verify layer data');
        return false;
      }
    };
    const LIST = [
      'images',
      '--no-trunc',
      '--digests',
      '--format',
      '{{.Repository}}:{{.Tag}} {{.Digest}} {{.ID}} {{.Size}}',
    ];
    const sorted = (lines: string): string[] => lines.split('\n').sort();
    const HISTORY = ['history', '--no-trunc', '--format', '{{.ID}} {{.CreatedBy}} {{.Size}}'];
    const FACTS =
      '{{.Id}} {{json .RootFS.Layers}} {{json .RepoDigests}} {{json .GraphDriver}} {{json .Config.Env}} {{.Size}}';

    it('dockerd sees, runs and saves what gantry pulled', async () => {
      const { directory, root } = place('ours');
      const images = [redis, torture, extreme];
      await run(root, 'pull', '-q', ...images.map(({ reference }) => reference));
      const listed = sorted(await run(root, ...LIST));
      expect(listed).toHaveLength(images.length);
      const facts = await Promise.all(
        images.map(async ({ reference }) => [
          await run(root, 'image', 'inspect', '-f', FACTS, reference),
          await run(root, ...HISTORY, reference),
        ]),
      );
      await withDockerd({ directory, root }, (docker) => {
        expect(sorted(docker(...LIST))).toEqual(listed);
        for (const [at, { name, reference, diffIDs }] of images.entries()) {
          expect(
            [docker('image', 'inspect', '-f', FACTS, reference), docker(...HISTORY, reference)],
            name,
          ).toEqual(facts[at]);
          expect(savedLayers(docker, reference, join(directory, name)), `${name} saved`).toEqual(diffIDs);
        }
        const printed = docker(
          'run',
          '--rm',
          '--network',
          'none',
          redis.reference,
          'redis-server',
          '--version',
        );
        expect(printed).toMatch(/^Redis server v=/);
      });
      expect(inconsistencies(root)).toEqual([]);
      expect(await damagedLayers(root)).toEqual([]);
      expect(leftovers(root)).toEqual([]);
    }, 180_000);

    it('gantry sees, checks and runs what dockerd pulled', async () => {
      const { directory, root } = place('theirs');
      const images = [redis, torture];
      let listed: string[] = [];
      let facts: string[][] = [];
      let unsaved: Pushed[] = [];
      await withDockerd({ directory, root }, (docker) => {
        for (const { reference } of images) docker('pull', '-q', reference);
        // dockerd 20.10 loses bytes of PAX sparse headers when it pulls, and then refuses to save the layer.
        unsaved = images.filter(({ reference, name }) => !saves(docker, reference, join(directory, name)));
        listed = sorted(docker(...LIST));
        facts = images.map(({ reference }) => [
          docker('image', 'inspect', '-f', FACTS, reference),
          docker(...HISTORY, reference),
        ]);
      });
      expect(sorted(await run(root, ...LIST))).toEqual(listed);
      for (const [at, { reference }] of images.entries()) {
        expect([
          await run(root, 'image', 'inspect', '-f', FACTS, reference),
          await run(root, ...HISTORY, reference),
        ]).toEqual(facts[at]);
        // Nothing to fetch: image, layers and tags are known.
        const plan = JSON.parse(await run(root, 'pull', '--dry-run', '--json', reference));
        expect(JSON.stringify(plan)).toContain('"bytesToFetch":0');
        await run(root, 'pull', '-q', reference);
      }
      expect(inconsistencies(root)).toEqual([]);
      const damaged = (await damagedLayers(root)).map((line) => /expected (\S+),/.exec(line)?.[1]);
      expect(damaged).toEqual(unsaved.map(({ diffIDs }) => diffIDs[0]));
      expect(damaged).not.toContain(redis.diffIDs[0]);
      expect(
        await run(root, 'run', '--rm', '--network', 'none', redis.reference, 'redis-server', '--version'),
      ).toMatch(/^Redis server v=/);
      expect(await run(root, 'system', 'prune', '-f')).toContain('Total reclaimed space');
      expect(sorted(await run(root, ...LIST))).toEqual(listed);
    }, 180_000);
  },
);
