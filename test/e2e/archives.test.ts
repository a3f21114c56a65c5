/**
 * Archives between tools: docker and podman load what gantry saves and the other way round, skopeo and umoci read the
 * layouts; ids and diffIDs are the same everywhere. And two build servers that hand an image on as an lz4 archive.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage } from '../../bench/images/layout.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { dockerdPresent, savedLayers, withDockerd } from '../helpers/dockerd.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';
import { busyboxRootfs, whyNoContainers } from '../runtime/busybox.js';

const sh = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const gantryAt =
  (root: string) =>
  (...args: string[]): string =>
    sh(process.execPath, GANTRY, '--root', root, ...args);

const rooted = process.getuid?.() === 0;

describe.skipIf(!rooted || !dockerdPresent)('archives and the tools of others (needs root, dockerd)', () => {
  const work = temporaryDirectory();
  const at = (name: string): string => join(work.path, name);
  const gantry = gantryAt(at('root'));
  const podman = (...args: string[]): string =>
    sh('podman', '--root', at('podman'), '--runroot', at('podman-run'), '--storage-driver', 'vfs', ...args);
  let id: string;
  let diffIDs: string[];

  beforeAll(async () => {
    busyboxRootfs(at('base'));
    chmodSync(join(at('base'), 'bin/busybox'), 0o4755);
    linkSync(join(at('base'), 'data/seed'), join(at('base'), 'data/linked'));
    mkdirSync(join(at('top'), 'data'), { recursive: true });
    mkdirSync(join(at('top'), 'etc'));
    writeFileSync(join(at('top'), 'data/.wh.seed'), '');
    writeFileSync(join(at('top'), 'etc/.wh..wh..opq'), '');
    writeFileSync(join(at('top'), 'etc/big'), randomBytes(5_000_000));
    const image = await buildImage({
      dir: at('layout'),
      layers: [
        { createdBy: 'base', from: at('base') },
        { createdBy: 'top', from: at('top'), compression: 'zstd' },
      ],
    });
    diffIDs = image.layers.map((layer) => layer.diffID);
    id = /sha256:\w+/.exec(gantry('load', '-i', image.dir))![0];
    gantry('tag', id, 'app:1');
    gantry('save', '-o', at('docker.tar'), 'app:1');
    gantry('save', '--compression', 'gzip', '-o', at('docker.tar.gz'), 'app:1');
    gantry('save', '--format', 'oci', '--compression', 'zstd', '-o', at('oci.tar'), 'app:1');
    gantry('save', '--format', 'oci', '--compression', 'gzip', '-o', `${at('oci')}/`, 'app:1');
  });
  afterAll(() => {
    podman('rmi', '-a', '-f');
    work.remove();
  });

  /** Into a root of its own: the same image, whole. */
  async function loads(archive: string, told: string): Promise<void> {
    const root = at(`root-${archive}`);
    expect(gantryAt(root)('load', '-i', at(archive))).toBe(told);
    const store = openStore(root);
    expect(store.images.list()).toEqual([id]);
    expect([...inconsistencies(root), ...leftovers(root), ...(await damagedLayers(root))]).toEqual([]);
  }

  it('docker loads them, and gantry what docker saves of that', async () => {
    const directory = at('dockerd');
    mkdirSync(directory);
    await withDockerd({ directory, root: at('docker') }, (docker) => {
      for (const archive of ['docker.tar', 'docker.tar.gz']) {
        expect(docker('load', '-i', at(archive))).toBe('Loaded image: app:1');
        expect(docker('image', 'inspect', '-f', '{{.Id}}', 'app:1')).toBe(id);
        expect(savedLayers(docker, 'app:1', at(`saved-${archive}`))).toEqual(diffIDs);
      }
      docker('save', '-o', at('of-docker.tar'), 'app:1');
    });
    await loads('of-docker.tar', 'Loaded image: app:1');
    execFileSync('lz4', ['-q', at('of-docker.tar'), at('of-docker.tar.lz4')]);
    await loads('of-docker.tar.lz4', 'Loaded image: app:1');
  });

  it('podman loads them, and gantry what podman saves of that', async () => {
    for (const archive of ['docker.tar', 'oci.tar']) {
      podman('load', '-q', '-i', at(archive));
      expect(podman('images', '--no-trunc', '-q')).toBe(id);
      podman('rmi', '-a', '-f');
    }
    podman('load', '-q', '-i', at('docker.tar'));
    for (const format of ['docker-archive', 'oci-archive']) {
      podman('save', '-q', '--format', format, '-o', at(format), 'app:1');
      const root = at(`root-${format}`);
      expect(gantryAt(root)('load', '-i', at(format))).toMatch(
        /^Loaded image: (docker\.io\/library\/)?app:1$/,
      );
      expect(await damagedLayers(root)).toEqual([]);
      const [loaded] = openStore(root).images.all().images;
      expect(loaded?.config.rootfs.diff_ids).toEqual(diffIDs);
      if (format === 'docker-archive') expect(loaded?.id).toBe(id);
    }
  });

  it('skopeo and umoci read the layouts', () => {
    for (const layout of [`oci-archive:${at('oci.tar')}:1`, `oci:${at('oci')}:1`]) {
      const { Layers } = JSON.parse(sh('skopeo', 'inspect', layout)) as { Layers: string[] };
      expect(Layers).toHaveLength(diffIDs.length);
      const config = JSON.parse(sh('skopeo', 'inspect', '--config', layout));
      expect(config.rootfs.diff_ids).toEqual(diffIDs);
    }
    sh('umoci', 'unpack', '--image', `${at('oci')}:1`, at('bundle'));
    expect(existsSync(join(at('bundle'), 'rootfs'))).toBe(true);
  });
});

const why = whyNoContainers();
describe.skipIf(why !== undefined)(`two CI stages${why ? ` (skipped: ${why})` : ''}`, () => {
  const work = temporaryDirectory();
  const at = (name: string): string => join(work.path, name);
  const [a, b] = [gantryAt(at('a')), gantryAt(at('b'))];
  afterAll(() => {
    for (const root of ['a', 'b']) rmSync(runDirectory(at(root)), { recursive: true, force: true });
    work.remove();
  });

  it('server A builds, commits and saves with lz4; server B loads and runs', async () => {
    busyboxRootfs(at('rootfs'));
    await buildImage({ dir: at('layout'), layers: [{ createdBy: 'busybox', from: at('rootfs') }] });
    a('tag', /sha256:\w+/.exec(a('load', '-i', at('layout')))![0], 'base:1');
    a('run', '--name', 'build', 'base:1', 'sh', '-c', 'echo built by A >/artifact');
    const committed = a('commit', '-c', 'CMD ["cat", "/artifact"]', 'build', 'app:1');
    a('save', '--compression', 'lz4', '-o', at('app.tar.lz4'), 'app:1');
    a('rm', 'build');
    rmSync(at('rootfs'), { recursive: true });
    expect(readFileSync(at('app.tar.lz4')).subarray(0, 4).toString('hex')).toBe('04224d18');
    expect(b('load', '-i', at('app.tar.lz4'))).toBe('Loaded image: app:1');
    expect(b('images', '-q', '--no-trunc')).toBe(committed);
    expect(b('run', '--rm', 'app:1')).toBe('built by A');
  });
});
