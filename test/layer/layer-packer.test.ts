/**
 * A write layer made by real tools under a real overlay mount, packed, and judged by umoci: lower tar and packed tar
 * unpacked must be what the mount showed.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage } from '../../bench/images/layout.js';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { digestOf } from '../../src/core/digest/digest.js';
import { createHasher } from '../../src/core/digest/hasher.js';
import { privateUmask } from '../../src/core/fsops/at.js';
import { getXattr, setXattr } from '../../src/core/fsops/xattr.js';
import { walkChanges } from '../../src/layer/changes.js';
import { packLayer } from '../../src/layer/layer-packer.js';
import { LayerWriter } from '../../src/layer/layer-writer.js';
import { assembleTar } from '../../src/layer/tar-split-assembler.js';
import { LowerView } from '../../src/overlay/lower-view.js';
import { type ChangedTree, changedTree } from '../helpers/changed-tree.js';
import { readTar } from '../helpers/read-tar.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';

const root = process.getuid?.() === 0;

describe.skipIf(!root)('a write layer becomes a layer (needs root, umoci, setfattr and setcap)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-packer-'));
  let tree: ChangedTree;
  let packed: Awaited<ReturnType<typeof pack>>;
  let tar: Buffer;

  const pack = async (files: string, staging: string, link = false, lowers = [tree.lower]) => {
    mkdirSync(join(staging, 'diff'), { recursive: true });
    privateUmask();
    const below = new LowerView(lowers);
    const crc = await createCrc64();
    const writer = new LayerWriter(staging, crc, link ? { given: files } : { holes: true });
    const region = Buffer.from(new ArrayBuffer(1000)); // divides nothing
    try {
      const diffID = packLayer({
        files,
        given: link,
        hash: await createHasher('sha256', 'native'),
        below: (path) => below.find(path),
        target: { acquire: () => region, commit: (length) => writer.write(region, 0, length) },
      });
      return { ...(await writer.finish()), diffID };
    } finally {
      writer.close();
      below.close();
    }
  };
  const assembled = async (staging: string, files: string) => {
    const pieces: Buffer[] = [];
    await assembleTar({
      tarSplit: join(staging, 'tar-split.json.gz'),
      files,
      crc: await createCrc64(),
      sink: (bytes) => void pieces.push(Buffer.from(bytes)),
    });
    return Buffer.concat(pieces);
  };
  /** The root has no entry and is settled at commit; a socket does not leave. */
  const differences = (a: Tree, b: Tree) =>
    diffTrees(a, b).filter((line) => !/^"(?:new\/socket)?":/.test(line));
  // An empty value cannot be told by a PAX record.
  const own = { xattr: (name: string) => !name.startsWith('trusted.overlay.') && name !== 'user.empty' };

  beforeAll(async () => {
    tree = await changedTree(dir);
    packed = await pack(tree.upper, join(dir, 'staging'));
    tar = await assembled(join(dir, 'staging'), join(dir, 'staging/diff'));
  });
  afterAll(() => {
    tree.unmount();
    rmSync(dir, { recursive: true, force: true });
  });

  it('its tar can be had back from the copied files, with the recorded digest', () => {
    expect(digestOf(tar)).toBe(packed.diffID);
    expect(tar.length).toBe(packed.tarSize);
    const { entries } = readTar(tar);
    expect(entries).toHaveLength(packed.entries);
    expect(entries.reduce((sum, { size }) => sum + size, 0)).toBe(packed.size);
  });

  it('unpacked by umoci over the lower layer it is what the mount showed', async () => {
    const lowerTar = join(dir, 'lower.tar');
    const flags = ['--sort=name', '--numeric-owner', '--format=pax', '--xattrs', '--xattrs-include=*'];
    execFileSync('tar', [...flags, '-C', tree.lower, '-cf', lowerTar, '.']);
    const layout = join(dir, 'layout');
    await buildImage({
      dir: layout,
      layers: [
        { createdBy: 'lower', from: [readFileSync(lowerTar)] },
        { createdBy: 'packed', from: [tar] },
      ],
    });
    const bundle = join(dir, 'bundle');
    execFileSync('umoci', ['unpack', '--image', `${layout}:latest`, bundle], { stdio: 'pipe' });
    expect(differences(readTree(tree.merged, own), readTree(join(bundle, 'rootfs'), own))).toEqual([]);
  });

  it('its directory, mounted over the lower one, shows the same; holes stay holes', () => {
    const mount = join(dir, 'again');
    mkdirSync(mount);
    const options = `index=off,metacopy=off,redirect_dir=off,lowerdir=${join(dir, 'staging/diff')}:${tree.lower}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, mount]);
    try {
      expect(differences(readTree(tree.merged, own), readTree(mount, own))).toEqual([]);
    } finally {
      execFileSync('umount', [mount]);
    }
    const blocks = (name: string) => statSync(join(dir, 'staging/diff/new', name)).blocks;
    expect(blocks('all-hole')).toBe(0);
    expect(blocks('hole')).toBeLessThan(64);
    expect(blocks('hole-then-end')).toBeLessThan(64);
    expect(blocks('start-then-hole')).toBeLessThan(64);
  });

  it('names are sorted, whiteouts and opaque marks stand only for what is below', () => {
    const names = readTar(tar).entries.map(({ name }) => name);
    expect(names.filter((name) => name.includes('.wh.'))).toEqual(
      [
        '.wh.dangling',
        'deep/.wh.er',
        'etc/.wh.other',
        '.wh.gone',
        'kept/.wh.away',
        'new/a.wh.b',
        'swap-dir/.wh.s',
        'wiped/.wh..wh..opq',
      ].sort((a, b) => names.indexOf(a) - names.indexOf(b)),
    );
    expect(names).not.toContain('./');
    expect(names.some((name) => name.includes('socket'))).toBe(false);
    const xattrs = readTar(tar).entries.flatMap((entry) => [...(entry.xattrs?.keys() ?? [])]);
    expect(new Set(xattrs)).toEqual(
      new Set(['user.on-dir', 'user.binary', 'security.capability', 'user.changed']),
    );
  });

  it('is the same when its files are linked, which leave overlayfs’ marks behind', async () => {
    const upper = join(dir, 'given');
    execFileSync('cp', ['-a', tree.upper, upper]);
    const staging = join(dir, 'linked');
    const again = await pack(upper, staging, true);
    expect(again).toEqual(packed);
    expect(digestOf(await assembled(staging, join(staging, 'diff')))).toBe(packed.diffID);
    expect(statSync(join(staging, 'diff/new/hole')).ino).toBe(statSync(join(upper, 'new/hole')).ino);
    const times = new Set(packed.whiteouts.map((path) => `${JSON.stringify(path)}: mtimeNs`));
    const [copied, linked] = [join(dir, 'staging/diff'), join(staging, 'diff')].map((path) =>
      readTree(path, own),
    );
    expect(
      differences(copied!, linked!).filter((line) => ![...times].some((time) => line.startsWith(time))),
    ).toEqual([]);
    const marks = (path: string) => getXattr(path, 'trusted.overlay.origin');
    expect(marks(join(tree.upper, 'etc/conf'))).toBeDefined();
    expect(marks(join(staging, 'diff/etc/conf'))).toBeUndefined();
  });

  it('the root is in it when the container changed the root', async () => {
    const upper = join(dir, 'root-changed');
    mkdirSync(upper);
    execFileSync('chmod', ['1777', upper]);
    const staging = join(dir, 'root-staging');
    const { implicitDirs, diffID } = await pack(upper, staging);
    expect(implicitDirs).toEqual([]);
    const [entry] = readTar(await assembled(staging, join(staging, 'diff'))).entries;
    expect(entry).toMatchObject({ name: './', type: 'directory', mode: 0o1777 });
    expect(lstatSync(join(staging, 'diff')).mode & 0o7777).toBe(0o1777);
    expect(diffID).toMatch(/^sha256:/);
  });

  it('nothing is the empty tar', async () => {
    const upper = join(dir, 'nothing');
    cpSync(tree.lower, upper, { recursive: true, filter: (path) => path === tree.lower });
    const { diffID, entries } = await pack(upper, join(dir, 'nothing-staging'));
    expect(diffID).toBe(digestOf(Buffer.alloc(1024)));
    expect(entries).toBe(0);
  });

  it('whiteouts that are files with an attribute are known', async () => {
    const upper = join(dir, 'marked');
    mkdirSync(join(upper, 'etc'), { recursive: true });
    chmodSync(upper, 0o755);
    setXattr(join(upper, 'etc'), 'trusted.overlay.opaque', Buffer.from('x'));
    writeFileSync(join(upper, 'etc/conf'), '');
    setXattr(join(upper, 'etc/conf'), 'trusted.overlay.whiteout', Buffer.alloc(0));
    const staging = join(dir, 'marked-staging');
    await pack(upper, staging);
    const names = readTar(await assembled(staging, join(staging, 'diff'))).entries.map(({ name }) => name);
    expect(names).toEqual(['etc/', 'etc/.wh.conf']);
    expect(lstatSync(join(staging, 'diff/etc/conf')).isCharacterDevice()).toBe(true);
  });

  it.each([
    [
      'metacopy',
      (upper: string) => setXattr(join(upper, 'file'), 'trusted.overlay.metacopy', Buffer.alloc(0)),
    ],
    [
      'redirect_dir',
      (upper: string) => setXattr(join(upper, 'dir'), 'trusted.overlay.redirect', Buffer.from('/etc')),
    ],
  ])('a write layer of a %s mount is refused', async (feature, mark) => {
    const upper = join(dir, feature);
    mkdirSync(join(upper, 'dir'), { recursive: true });
    writeFileSync(join(upper, 'file'), '');
    mark(upper);
    await expect(pack(upper, join(dir, `${feature}-staging`))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining(`${feature}=on`),
    });
  });

  it('a name that would be a whiteout is refused', async () => {
    const upper = join(dir, 'wh');
    mkdirSync(upper);
    writeFileSync(join(upper, '.wh.conf'), '');
    await expect(pack(upper, join(dir, 'wh-staging'))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
  });

  it('a link that replaces a directory during the walk leads nowhere', () => {
    const upper = join(dir, 'hostile');
    mkdirSync(join(upper, 'a'), { recursive: true });
    const fd = openSync(upper, 'r');
    const seen: string[] = [];
    for (const { path } of walkChanges(fd)) {
      seen.push(path);
      if (path !== '') continue;
      rmSync(join(upper, 'a'), { recursive: true });
      execFileSync('ln', ['-s', '/etc', join(upper, 'a')]);
    }
    closeSync(fd);
    expect(seen).toEqual(['', 'a']);
  });
});
