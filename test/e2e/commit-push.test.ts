/**
 * A container that changed in every way is committed and pushed; podman pulls the image, and what umoci unpacks of it is what
 * the container saw. Then the image goes round: pull, push, pull, save, load, push, and stays the same.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseContainerID } from '../../src/core/ids.js';
import { openStore } from '../../src/engine/store.js';
import { CHANGES, LOWER } from '../helpers/changed-tree.js';
import { builtGantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { type RegistryFixture, startRegistry } from '../helpers/registry-fixture.js';
import { damagedLayers, inconsistencies } from '../helpers/store-check.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';

const TOOLS = ['docker-registry', 'skopeo', 'podman', 'umoci', 'setfattr', 'setcap'];
const missing = TOOLS.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
const why = process.getuid?.() !== 0 ? 'needs root' : missing.length > 0 ? `needs ${missing.join(', ')}` : '';

/** A directory of the image gets another name: without redirect_dir it is copied, and hidden where it was. */
const RENAME = 'mv renamed other-name; echo more >>other-name/sub/file';
/** What the init layer shows beside the image, which never leaves; and the root, which has an entry only if it changed. */
const INIT =
  /^(?:|dev|proc|sys|run|\.dockerenv|etc\/(?:hosts|hostname|resolv\.conf|mtab))(?:\/.*)?$|^new\/socket$/;

describe.skipIf(why !== '')(`commit and push ${why}`, () => {
  const dir = temporaryDirectory();
  const at = (...names: string[]) => join(dir.path, ...names);
  const root = at('root');
  let registry: RegistryFixture;
  let merged: Tree;
  let reference: string;

  const ok = (where: string, ...args: string[]): string => {
    const { code, out, err } = builtGantry(where, ...args);
    expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
    return out.trim();
  };
  const treeOf = (path: string): Tree =>
    readTree(path, {
      skip: (name) => name !== '' && INIT.test(name),
      // An empty value cannot be told by a PAX record.
      xattr: (name) => !name.startsWith('trusted.overlay.') && name !== 'user.empty',
    });
  const bash = (script: string, cwd: string): void => {
    execFileSync('bash', ['-ec', script], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  };
  const digestOf = (image: string): string =>
    execFileSync(
      'skopeo',
      ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${image}`],
      {
        encoding: 'utf8',
      },
    ).trim();
  /** What an image is, wherever it lies. */
  const identity = (where: string) => {
    const store = openStore(where);
    const [id, ...others] = store.images.list();
    expect(others).toEqual([]);
    return { id, diffIDs: store.images.get(id!)!.config.rootfs.diff_ids };
  };

  beforeAll(async () => {
    registry = await startRegistry();
    reference = `${registry.host}/changed:1`;
    mkdirSync(at('lower'));
    bash(
      `${LOWER}; mkdir -p renamed/sub; echo r >renamed/sub/file; ln renamed/sub/file renamed/hard`,
      at('lower'),
    );
    execFileSync('tar', ['--numeric-owner', '-C', at('lower'), '-cf', at('lower.tar'), '.']);
    ok(root, 'import', at('lower.tar'), 'lower:1');
    const id = ok(root, 'create', '--name', 'changed', 'lower:1', 'sh');
    const store = openStore(root);
    const { mountID } = store.layers.db.mounts.get(parseContainerID(id))!;
    const view = await store.driver.mount(mountID);
    try {
      bash(`${CHANGES}; ${RENAME}`, view);
      merged = treeOf(view);
    } finally {
      await store.driver.unmount(mountID);
    }
    ok(root, 'commit', 'changed', reference);
    ok(root, 'push', '-q', reference);
  });
  afterAll(async () => {
    await registry.stop();
    dir.remove();
  });

  it('unpacked by umoci the pushed image is what the container saw', () => {
    const layout = `${at('layout')}:changed`;
    const copy = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false'];
    execFileSync('skopeo', [...copy, `docker://${reference}`, `oci:${layout}`]);
    execFileSync('umoci', ['unpack', '--image', layout, at('bundle')], { stdio: 'pipe' });
    const unpacked = treeOf(at('bundle/rootfs'));
    expect(diffTrees(merged, unpacked).filter((line) => !line.startsWith('"":'))).toEqual([]);
    for (const gone of ['renamed', 'gone', 'etc/other', 'wiped/w', 'wiped/sub/s', 'dangling'])
      expect(unpacked.has(gone), gone).toBe(false);
    expect(unpacked.get('other-name/sub/file')?.size).toBe('r\nmore\n'.length);
    expect(unpacked.get('new/attributes/capable')?.xattrs).toHaveProperty(['security.capability']);
    expect(unpacked.get('new/attributes/file')?.xattrs['user.binary']).toBe('\0\xffa\n');
    expect(unpacked.get('new/two')?.hardlink).toBe('new/one');
  });

  it('podman pulls it, and it is the same image', () => {
    const places = ['--root', at('podman'), '--runroot', at('podman-run'), '--storage-driver', 'overlay'];
    const podman = (...args: string[]) =>
      execFileSync('podman', [...places, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const id = podman('pull', '-q', '--tls-verify=false', reference).trim();
      expect(`sha256:${id}`).toBe(openStore(root).tags.get(reference));
      const layers = podman('image', 'inspect', '--format', '{{json .RootFS.Layers}}', id).trim();
      expect(JSON.parse(layers)).toEqual(
        openStore(root).images.get(`sha256:${id}` as never)!.config.rootfs.diff_ids,
      );
    } finally {
      podman('rmi', '-fa');
    }
  });

  it('goes round and stays the same: pull, push, pull, save, load, push', async () => {
    const first = digestOf(reference);
    const again = `${registry.host}/again:1`;
    ok(at('b'), 'pull', '-q', reference);
    ok(at('b'), 'tag', reference, again);
    ok(at('b'), 'push', '-q', again);
    expect(digestOf(again)).toBe(first);
    ok(at('c'), 'pull', '-q', again);
    ok(at('c'), 'save', '--compression', 'lz4', '-o', at('saved.tar'), again);
    ok(at('d'), 'load', '-q', '-i', at('saved.tar'));
    const last = `${registry.host}/last:1`;
    ok(at('d'), 'tag', again, last);
    ok(at('d'), 'push', '-q', last);
    expect(digestOf(last)).toBe(first);
    const pushed = openStore(root).tags.get(reference);
    for (const where of [at('b'), at('c'), at('d')]) {
      expect(identity(where)).toEqual(identity(at('b')));
      expect(identity(where).id).toBe(pushed);
      expect(inconsistencies(where)).toEqual([]);
      expect(await damagedLayers(where)).toEqual([]);
    }
  });

  it('what was sparse in the container is sparse in the layer', () => {
    const store = openStore(root);
    const files = store.layers.list().map(({ cacheID }) => join(store.driver.files(cacheID), 'new'));
    const blocks = (name: string) =>
      files.flatMap((path) => statSync(join(path, name), { throwIfNoEntry: false })?.blocks ?? []);
    expect(blocks('all-hole')).toEqual([0]);
    expect(blocks('hole')[0]).toBeLessThan(64);
  });
});
