/**
 * `system fsck`: what a sound store says (nothing), and a table of damages, each found and each repaired from a real
 * registry. The image is the torture image, which holds everything a layer can.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hexOf } from '../../src/core/digest/digest.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { runCli } from '../helpers/cli-run.js';
import { type RegistryFixture, startRegistry } from '../helpers/registry-fixture.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';
import { buildTortureImage } from '../helpers/torture-image.js';
import { busyboxRootfs, whyNoContainers } from '../runtime/busybox.js';

describe.skipIf(process.getuid?.() !== 0)('system fsck (needs root)', () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-fsck-'));
  const root = join(work, 'root');
  let registry: RegistryFixture;
  let reference: string;
  /** Of each layer, base first. */
  let layers: { diff: string; overlay: string; entry: string; link: string }[];

  const fsck = (...flags: string[]) => runCli(root, 'system', 'fsck', ...flags);
  const readLayers = () => {
    const store = openStore(root);
    const [image] = store.images.all().images;
    const chain = store.layers.list();
    const byDiff = new Map(chain.map((layer) => [layer.diffID, layer]));
    return (image!.config.rootfs.diff_ids ?? []).map((diffID) => {
      const { chainID, cacheID } = byDiff.get(diffID)!;
      const overlay = join(root, 'overlay2', cacheID);
      const link = readFileSync(join(overlay, 'link'), 'utf8');
      const entry = join(root, 'image/overlay2/layerdb/sha256', hexOf(chainID));
      return { diff: join(overlay, 'diff'), overlay, entry, link: join(root, 'overlay2/l', link) };
    });
  };

  beforeAll(async () => {
    registry = await startRegistry();
    const { dir } = await buildTortureImage(mkdtempSync(join(work, 'image-')));
    reference = await registry.push({ dir, tag: 'latest' }, 'torture');
    expect(await runCli(root, 'pull', '-q', reference)).toMatchObject({ code: 0, err: '' });
    layers = readLayers();
  }, 60_000);
  afterAll(async () => {
    await registry.stop();
    rmSync(runDirectory(root), { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  });

  const sound = async (): Promise<void> => {
    const { code, out } = await fsck('--deep');
    expect(out).toMatch(/^Checked \d+ layers, \d+ files, .*: no problems\n$/);
    expect(code).toBe(0);
    expect([inconsistencies(root), await damagedLayers(root), leftovers(root)]).toEqual([[], [], []]);
  };

  it('has nothing to say of a store that was just pulled', async () => {
    await sound();
    expect((await fsck()).code).toBe(0);
  });

  /** Changes a byte and puts the time back, as a disk does. */
  const flip = (file: string, at: number): void => {
    const { mtime, atime } = statSync(file);
    const bytes = readFileSync(file);
    bytes[at]! ^= 1;
    writeFileSync(file, bytes);
    lutimesSync(file, atime, mtime);
  };
  const empty = (file: string): void => writeFileSync(file, '');
  /** A file of the base layer; its directory's time is put back. */
  const inBase = (path: string): string => join(layers[0]!.diff, path);
  const keepingTime = (directory: string, change: () => void): void => {
    const { mtime, atime } = statSync(directory);
    change();
    lutimesSync(directory, atime, mtime);
  };
  const hidden = (): string => join(layers[1]!.diff, 'lower/removed');

  const damages: [what: string, damage: () => void, told: RegExp][] = [
    [
      'a flipped byte in a file',
      () => flip(inBase('modes/setgid'), 0),
      /modes\/setgid: CRC-64: expected \w{16}/,
    ],
    ['a flipped byte of a file with mode 0', () => flip(inBase('modes/none'), 3), /modes\/none: CRC-64/],
    ['a file cut short', () => empty(inBase('modes/setuid')), /modes\/setuid: size: expected 4, found 0/],
    [
      'a missing file',
      () => keepingTime(inBase('modes'), () => rmSync(inBase('modes/none'))),
      /modes\/none: file: expected file, found none/,
    ],
    [
      'a missing directory, told once',
      () => rmSync(inBase('modes'), { recursive: true }),
      /^[^\n]*diff\/modes: file: expected directory, found none[^\n]*\nChecked/,
    ],
    [
      'a changed mode',
      () => chmodSync(inBase('modes/setuid'), 0o755),
      /setuid: mode: expected 04755, found 0755/,
    ],
    [
      'a changed mode of a directory',
      () => chmodSync(inBase('modes/sticky'), 0o700),
      /sticky: mode: expected 01777/,
    ],
    [
      "a changed mode of a layer's root",
      () => chmodSync(layers[0]!.diff, 0o777),
      /diff: mode: expected 0755, found 0777/,
    ],
    ['a changed owner', () => lchownSync(inBase('modes/none'), 7, 8), /none: owner: expected 0:0, found 7:8/],
    ['a changed time', () => lutimesSync(inBase('modes/none'), 1, 1), /none: mtime: expected 1600000001/],
    [
      'an attribute that came',
      () => execFileSync('setfattr', ['-n', 'user.evil', '-v', 'x', inBase('modes/setuid')]),
      /setuid: attribute user.evil: expected none, found 0x78/,
    ],
    [
      'a file that is a directory',
      () => {
        rmSync(inBase('modes/none'));
        mkdirSync(inBase('modes/none'));
      },
      /none: type: expected file, found directory/,
    ],
    [
      'an extra file',
      () => keepingTime(inBase('modes'), () => writeFileSync(inBase('modes/more'), 'x')),
      /modes\/more: file: expected none, found file/,
    ],
    [
      'a name that would move the cursor',
      () => keepingTime(inBase('modes'), () => writeFileSync(inBase('modes/a\x1b[2J\n'), 'x')),
      /modes\/a\\x1b\[2J\\n: file: expected none, found file/,
    ],
    [
      'a whiteout that is gone',
      () => keepingTime(join(hidden(), '..'), () => rmSync(hidden())),
      /lower\/removed: file: expected whiteout, found none/,
    ],
    [
      'all files of a layer',
      () => rmSync(layers[2]!.diff, { recursive: true }),
      /diff: .*expected a directory, found none/,
    ],
    [
      "a layer's directory",
      () => rmSync(layers[1]!.overlay, { recursive: true }),
      /diff: .*expected a directory, found none/,
    ],
    ['an empty link', () => empty(join(layers[0]!.overlay, 'link')), /link: .*found an empty file/],
    ['a missing link', () => rmSync(join(layers[2]!.overlay, 'link')), /link: .*found none/],
    [
      'an empty link and no name in l/',
      () => {
        empty(join(layers[1]!.overlay, 'link'));
        rmSync(layers[1]!.link);
      },
      /link: .*found an empty file/,
    ],
    [
      'an empty lower',
      () => empty(join(layers[2]!.overlay, 'lower')),
      /lower: .*expected l\/.*found an empty file/,
    ],
    ['a missing name in l/', () => rmSync(layers[1]!.link), /overlay2\/l\/\w{26}: .*diff, found none/],
    [
      'a name in l/ that leads elsewhere',
      () => {
        rmSync(layers[1]!.link);
        symlinkSync('../elsewhere/diff', layers[1]!.link);
      },
      /found \.\.\/elsewhere\/diff/,
    ],
    [
      'a dangling symlink in l/',
      () => symlinkSync(`../${'d'.repeat(64)}/diff`, join(root, 'overlay2/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ')),
      /l\/ABC\w+: link: .*a leftover/,
    ],
    ['an empty cache-id', () => empty(join(layers[3]!.entry, 'cache-id')), /cache-id: .*found an empty file/],
    [
      'an empty diff',
      () => empty(join(layers[1]!.entry, 'diff')),
      /diff: expected sha256:<diffID>, found an empty file/,
    ],
    ['a missing parent', () => rmSync(join(layers[1]!.entry, 'parent')), /diff and parent/],
    ['an empty size', () => empty(join(layers[0]!.entry, 'size')), /size: expected a decimal number/],
    [
      'an empty tar-split',
      () => empty(join(layers[1]!.entry, 'tar-split.json.gz')),
      /tar-split.json.gz: .*an empty file/,
    ],
    [
      'a flipped byte in tar-split',
      () => flip(join(layers[0]!.entry, 'tar-split.json.gz'), 90),
      /tar-split.json.gz: tar-split/,
    ],
    ['a lost layerdb entry', () => rmSync(layers[4]!.entry, { recursive: true }), /layer: expected an entry/],
    [
      'an image config that is not what it is named for',
      () =>
        flip(
          join(root, 'image/overlay2/imagedb/content/sha256', openStore(root).images.list()[0]!.slice(7)),
          20,
        ),
      /image config: expected sha256/,
    ],
    [
      'a damaged distribution map',
      () => {
        const maps = join(root, 'image/overlay2/distribution/diffid-by-digest/sha256');
        empty(join(maps, readdirSync(maps)[0]!));
      },
      /distribution map/,
    ],
    [
      'an orphan',
      () => mkdirSync(join(root, 'overlay2', 'e'.repeat(64), 'diff'), { recursive: true }),
      /overlay2\/e{64}: orphan/,
    ],
    [
      'leftovers of transactions, unpacking and parking',
      () => {
        for (const path of ['image/overlay2/layerdb/tmp', 'gantry/tmp', 'gantry/ready'])
          mkdirSync(join(root, path, 'f'.repeat(64)), { recursive: true });
      },
      /layerdb\/tmp\/f{64}.*\n.*gantry\/tmp\/f{64}.*\n.*gantry\/ready\/f{64}/,
    ],
    ['a write layer of no container', () => mount('b'.repeat(64)), /mounts\/b{64}: write layer/],
  ];
  const mount = (id: string): void => {
    const directory = join(root, 'image/overlay2/layerdb/mounts', id);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'mount-id'), id);
    writeFileSync(join(directory, 'init-id'), `${id}-init`);
  };

  it.each(damages)('finds and repairs %s', async (_, damage, told) => {
    damage();
    const { code, out, err } = await fsck('--repair');
    expect(out).toMatch(told);
    expect(out).toMatch(/ problems?, \d+ repaired, 0 left\n$/);
    expect(code, err).toBe(0);
    layers = readLayers();
  });
  it('left nothing behind', () => sound());

  it('changes nothing unless told to, and reports as JSON', async () => {
    chmodSync(inBase('modes/setuid'), 0o755);
    expect(await fsck()).toMatchObject({ code: 1, out: expect.stringContaining('--repair)\n') });
    const { code, out } = await fsck('--json', '--deep');
    expect(code).toBe(1);
    const { problems } = JSON.parse(out);
    expect(problems).toMatchObject([{ what: 'mode', expected: '04755', found: '0755', repaired: false }]);
    chmodSync(inBase('modes/setuid'), 0o4755);
  });
  it('says what a repair lacks when no registry answers', async () => {
    flip(inBase('modes/setuid'), 0);
    const store = openStore(root);
    const { diffID } = store.layers.list().find(({ parent }) => parent === undefined)!;
    const map = join(root, 'image/overlay2/distribution/v2metadata-by-diffid/sha256', hexOf(diffID));
    renameSync(map, join(work, 'away'));
    const { code, out } = await fsck('--repair');
    expect(code).toBe(1);
    expect(out).toMatch(/setuid: CRC-64: .*not repaired: it came from no registry/);
    renameSync(join(work, 'away'), map);
    expect((await fsck('--repair')).code).toBe(0);
    expect(existsSync(inBase('modes/setuid'))).toBe(true);
    await sound();
  });

  describe('a pull that meets a damaged layer', () => {
    const rows: [what: string, damage: () => void][] = [
      ['without its link', () => empty(join(layers[1]!.overlay, 'link'))],
      ['without its files', () => rmSync(layers[1]!.diff, { recursive: true })],
      ['with an empty tar-split', () => empty(join(layers[1]!.entry, 'tar-split.json.gz'))],
      [
        'of before a power cut, with a file that was cut',
        () => {
          empty(join(layers[1]!.diff, 'lower/dir-to-file'));
          writeFileSync(join(root, 'gantry/durability', basename(layers[1]!.entry)), 'another boot');
        },
      ],
    ];
    it.each(rows)('%s fetches that one alone', async (_, damage) => {
      const before = layers;
      damage();
      const { code, out } = await runCli(root, 'pull', reference);
      expect(code).toBe(0);
      expect(out.match(/: Pull complete$/gm)).toHaveLength(1);
      expect(out.match(/: Already exists$/gm)).toHaveLength(4);
      layers = readLayers();
      expect(layers).toEqual(before);
      expect((await fsck()).out).toMatch(/no problems\n$/);
    });
  });
});

const GANTRY = join(import.meta.dirname, '../../dist/src/cli/gantry.js');
const why = whyNoContainers('crun') ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`system fsck of containers${why ? ` (skipped: ${why})` : ''}`, () => {
  const work = mkdtempSync(join(tmpdir(), 'gantry-fsck-containers-'));
  const root = join(work, 'root');
  const gantry = (at: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [GANTRY, '--root', at, ...args]);
    return { code: status, out: stdout.toString(), err: stderr.toString() };
  };
  const ok = (...args: string[]): string => {
    const { code, out, err } = gantry(root, ...args);
    expect(code, err).toBe(0);
    return out.trim();
  };
  beforeAll(() => {
    const files = join(work, 'files');
    mkdirSync(files);
    busyboxRootfs(files);
    execFileSync('tar', ['-cf', join(work, 'base.tar'), '-C', files, '.']);
    ok('import', join(work, 'base.tar'), 'box:1');
    ok(
      'run',
      '--network',
      'none',
      '--name',
      'done',
      'box:1',
      'sh',
      '-c',
      'echo x >/t; mkdir /data/new; echo >>/data/seed',
    );
    ok('commit', 'done', 'made:1');
    ok('commit', '--consume', 'done', 'made:2');
    ok('run', '--network', 'none', 'made:1', 'true');
    ok('create', '--network', 'none', 'made:2', 'true');
    ok('run', '-d', '--network', 'none', '--name', 'live', 'box:1', 'sleep', '300');
  }, 60_000);
  afterAll(() => {
    const left = gantry(root, 'ps', '-aq').out.trim();
    if (left !== '') gantry(root, 'rm', '-f', ...left.split('\n'));
    rmSync(runDirectory(root), { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  });

  it('has nothing to say of running, stopped and new containers, of imported, committed and loaded images', () => {
    expect(ok('system', 'fsck', '--deep')).toMatch(/no problems$/);
    const loaded = join(work, 'loaded');
    ok('save', '-o', join(work, 'made.tar'), 'made:1', 'made:2');
    expect(gantry(loaded, 'load', '-i', join(work, 'made.tar')).code).toBe(0);
    expect(gantry(loaded, 'system', 'fsck', '--deep').out).toMatch(/no problems\n$/);
  });
  it('mends the links of a container that does not run', () => {
    const [id] = ok('ps', '-a', '--no-trunc', '--filter', 'status=created', '-q').split('\n');
    for (const name of [`${id}-init/lower`, `${id}/link`, `${id}/lower`])
      writeFileSync(join(root, 'overlay2', name), '');
    expect(gantry(root, 'system', 'fsck').code).toBe(1);
    expect(ok('system', 'fsck', '--repair')).toMatch(/, 0 left$/);
    ok('start', '-a', id!);
  });
  it('never exchanges the files of a layer that a container has mounted', () => {
    const base = openStore(root)
      .layers.list()
      .find(({ parent }) => parent === undefined)!;
    const seed = join(root, 'overlay2', base.cacheID, 'diff/data/seed');
    chmodSync(seed, 0o600);
    const { code, out } = gantry(root, 'system', 'fsck', '--repair');
    expect(code).toBe(1);
    const id = ok('ps', '-q', '--filter', 'name=live');
    expect(out).toMatch(
      new RegExp(`seed: mode: .*not repaired: container ${id} has it mounted: gantry stop ${id}`),
    );
    expect(statSync(seed).mode & 0o777).toBe(0o600);
    ok('rm', '-f', 'live');
    expect(gantry(root, 'system', 'fsck', '--repair').out).toMatch(/it came from no registry/);
  });
});
