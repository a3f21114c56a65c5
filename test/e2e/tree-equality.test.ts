/**
 * The merged tree of a pulled image against those of umoci and podman: type, mode, owner, time, size, contents, link
 * target, hardlink groups, device numbers, every xattr. Set GANTRY_E2E_IMAGES=redis,python,huge,small for the big
 * ones; the torture image and redis are always compared.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureImage } from '../../bench/images/build.js';
import type { ImageName } from '../../bench/images/recipes.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { type RegistryFixture, startRegistry } from '../helpers/registry-fixture.js';
import { buildTortureImage, DISPUTED } from '../helpers/torture-image.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';

const names = ['torture', ...(process.env.GANTRY_E2E_IMAGES ?? 'redis').split(',')];
const root = process.getuid?.() === 0;
const MINUTES = 60_000;

const sh = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).trim();

describe.skipIf(!root)('a pulled tree is what other tools unpack (needs root, umoci and podman)', () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-e2e-tree-'));
  const mounted: string[] = [];
  const podman = [
    '--root',
    join(work, 'podman'),
    '--runroot',
    join(work, 'podman-run'),
    '--storage-driver',
    'overlay',
  ];
  let registry: RegistryFixture;
  let trees: Record<string, { gantry: Tree; umoci: Tree; podman: Tree }>;

  beforeAll(async () => {
    registry = await startRegistry();
    trees = {};
    for (const name of names) {
      const layout =
        name === 'torture'
          ? await buildTortureImage(join(work, 'torture'), { forPeers: true })
          : await ensureImage(name as ImageName);
      const reference = await registry.push(layout, name);
      trees[name] = {
        gantry: readTree(pulled(reference, name)),
        umoci: readTree(unpacked(`${layout.dir}:${layout.tag}`, name)),
        podman: readTree(mountedByPodman(reference)),
      };
    }
  }, 10 * MINUTES);

  afterAll(async () => {
    for (const dir of mounted) sh('umount', dir);
    sh('podman', ...podman, 'image', 'umount', '-a', '-f');
    // Some podmans leave their overlay directory mounted on itself.
    const overlay = join(work, 'podman/overlay');
    if (readFileSync('/proc/mounts', 'utf8').includes(` ${overlay} `)) sh('umount', '-l', overlay);
    await registry.stop();
    rmSync(work, { recursive: true, force: true });
  }, 2 * MINUTES);

  /** Pulls and mounts the layers that `inspect` names, as a container would see them. */
  function pulled(reference: string, name: string): string {
    const gantry = (...args: string[]): string =>
      sh(process.execPath, GANTRY, '--root', join(work, 'gantry'), ...args);
    gantry('pull', '-q', reference);
    const [image] = JSON.parse(gantry('image', 'inspect', reference)) as [
      { GraphDriver: { Data: Record<string, string> } },
    ];
    const { UpperDir, LowerDir } = image.GraphDriver.Data;
    const layers = [UpperDir!, ...(LowerDir === undefined ? [] : LowerDir.split(':'))];
    const merged = join(work, `merged-${name}`);
    mkdirSync(merged);
    sh('mount', '-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${layers.join(':')}`, merged);
    mounted.push(merged);
    return merged;
  }

  function unpacked(image: string, name: string): string {
    const bundle = join(work, `umoci-${name}`);
    sh('umoci', 'unpack', '--image', image, bundle);
    return join(bundle, 'rootfs');
  }

  function mountedByPodman(reference: string): string {
    const id = sh('podman', ...podman, 'pull', '-q', '--tls-verify=false', reference);
    return sh('podman', ...podman, 'image', 'mount', id);
  }

  /** Leaves out paths that DISPUTED names, for trees where no one says whose way is right. */
  function agreed(tree: Tree): Tree {
    const disputed = Object.keys(DISPUTED);
    const apart = (path: string): boolean =>
      disputed.some((key) => path === key || (key !== '' && path.startsWith(`${key}/`)));
    return new Map([...tree].filter(([path]) => !apart(path)));
  }

  for (const name of names) {
    it(`${name}: as umoci unpacks it`, () => {
      const { gantry, umoci } = trees[name]!;
      expect(diffTrees(agreed(gantry), agreed(umoci))).toEqual([]);
      expect(gantry.size).toBeGreaterThan(100);
    });
    it(`${name}: as podman mounts it`, () => {
      const { gantry, podman } = trees[name]!;
      expect(diffTrees(agreed(gantry), agreed(podman))).toEqual([]);
    });
  }

  describe('where peers disagree', () => {
    const at = (path: string) => {
      const { gantry, umoci, podman } = trees.torture!;
      return { gantry: gantry.get(path), umoci: umoci.get(path), podman: podman.get(path) };
    };
    it('a directory that an upper layer only adds to keeps its attributes, as umoci', () => {
      const { gantry, umoci } = at('lower/odd');
      expect(gantry).toEqual(umoci);
      expect(gantry?.mode).toBe('2751');
    });
    it('a whiteout hides lower content also where its layer makes the directory anew, as umoci', () => {
      expect(at('lower/wiped-and-new/old').gantry).toBeUndefined();
      expect(at('lower/wiped-and-new').gantry).toEqual(at('lower/wiped-and-new').umoci);
    });
    it('an opaque marker after the content leaves its time alone, as podman', () => {
      const { gantry, podman } = at('lower/opaque-last/olddir');
      expect(gantry).toEqual(podman);
    });
    it('a time before 1970 is kept, as umoci', () => {
      expect(at('times/before-epoch').gantry?.mtimeNs).toBe(-12_345_500_000_000n);
    });
    it('the root has the attributes of its entry, as umoci', () => {
      expect(at('').gantry).toEqual(at('').umoci);
    });
  });
});
