/**
 * The bar for the layout: a real dockerd, started on a root that the store wrote, and the store opened on a root that
 * dockerd wrote. Needs root, dockerd, the docker client and a static busybox.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { chainIDsOf, type DiffID, digestOf, parseDigest } from '../../src/core/digest/digest.js';
import { newContainerID } from '../../src/core/ids.js';
import type { Layer } from '../../src/engine/layer-store.js';
import { openStore } from '../../src/engine/store.js';
import { assembleTar } from '../../src/layer/tar-split-assembler.js';
import { dockerdPresent, savedLayers, withDockerd } from '../helpers/dockerd.js';
import { commitFiles, temporaryDirectory } from '../helpers/layer-fixture.js';

const present = dockerdPresent && existsSync('/bin/busybox');

describe.skipIf(process.getuid?.() !== 0 || !present)(
  'dockerd on the same root (root, dockerd, busybox)',
  () => {
    let directory: ReturnType<typeof temporaryDirectory>;
    let root: string;
    beforeEach(() => {
      directory = temporaryDirectory();
      root = join(directory.path, 'root');
    });
    afterEach(() => directory.remove());

    it('lists, inspects, saves and runs what the store wrote, and leaves a store', async () => {
      const store = openStore(root);
      const diffIDs: DiffID[] = [];
      let top: Layer | undefined;
      for (const text of ['base', 'middle', 'top']) {
        top = await commitFiles(store, { [`layers/${text}`]: text, 'layers/last': text }, top);
        diffIDs.push(top.diffID);
        if (text !== 'base') continue;
        mkdirSync(join(store.driver.files(top.cacheID), 'bin'));
        copyFileSync('/bin/busybox', join(store.driver.files(top.cacheID), 'bin/sh'));
      }
      const config = {
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        created: '2020-01-01T00:00:00Z',
        config: { Cmd: ['/bin/sh', '-c', 'echo /layers/*; cat /layers/last'] },
        rootfs: { type: 'layers', diff_ids: diffIDs },
      };
      const imageID = store.images.put(Buffer.from(JSON.stringify(config)));
      const repoDigest = `redis@${digestOf('manifest')}`;
      await store.tags.update({
        set: [
          { reference: 'redis:latest', imageID },
          { reference: repoDigest, imageID },
        ],
      });
      store.distribution.record(top!.diffID, {
        digest: parseDigest(digestOf('blob')),
        sourceRepository: 'docker.io/library/redis',
      });
      const id = newContainerID();
      const layers = await store.driver.createContainer(id, top!.cacheID);
      store.layers.db.mounts.set(id, { ...layers, parent: top!.chainID });

      await withDockerd({ directory: directory.path, root }, (docker) => {
        expect(
          docker(
            'images',
            '--no-trunc',
            '--digests',
            '--format',
            '{{.Repository}}:{{.Tag}} {{.Digest}} {{.ID}}',
          ),
        ).toBe(`redis:latest ${digestOf('manifest')} ${imageID}`);
        const [inspected] = JSON.parse(docker('image', 'inspect', 'redis'));
        expect(inspected.RootFS.Layers).toEqual(diffIDs);
        expect(inspected.RepoDigests).toEqual([repoDigest]);
        expect(inspected.GraphDriver).toEqual({ Name: 'overlay2', Data: store.driver.data(top!.cacheID) });

        expect(savedLayers(docker, 'redis', join(directory.path, 'saved'))).toEqual(diffIDs);

        const printed = docker('run', '--name', 'theirs', '--network', 'none', 'redis');
        expect(printed).toBe('/layers/base /layers/last /layers/middle /layers/top\ntop');
      });

      const after = openStore(root);
      expect(after.layers.list()).toHaveLength(3);
      expect(after.layers.db.mounts.list()).toHaveLength(2);
      expect(after.layers.unreferenced()).toEqual([]);
      expect(after.tags.get('redis:latest')).toBe(imageID);
    }, 120_000);

    it('is read back from what dockerd wrote', async () => {
      const files = join(directory.path, 'files');
      mkdirSync(join(files, 'etc'), { recursive: true });
      execFileSync(
        'sh',
        ['-c', 'echo hi > etc/hello; ln -s hello etc/link; ln etc/hello etc/hard; mkfifo fifo'],
        { cwd: files },
      );
      const tar = join(directory.path, 'files.tar');
      execFileSync('tar', ['-cf', tar, '-C', files, '.']);
      let graphDriver: unknown;
      let containerID = '';
      await withDockerd({ directory: directory.path, root }, (docker) => {
        docker('import', tar, 'localhost:5000/imported:1');
        containerID = docker('create', '--network', 'none', 'localhost:5000/imported:1', '/x');
        [{ GraphDriver: graphDriver }] = JSON.parse(docker('inspect', containerID));
      });
      const store = openStore(root);
      const { images, corrupt } = store.images.all();
      expect(corrupt).toEqual([]);
      expect(store.tags.all()).toEqual([
        {
          repository: 'localhost:5000/imported',
          reference: 'localhost:5000/imported:1',
          imageID: images[0]?.id,
        },
      ]);
      const [chainID] = chainIDsOf(images[0]!.config.rootfs.diff_ids ?? []);
      const layer = store.layers.get(chainID!)!;
      expect(layer.diffID).toBe(digestOf(readFileSync(tar)));
      const hash = createHash('sha256');
      await assembleTar({
        tarSplit: store.layers.db.tarSplit(chainID!),
        files: store.driver.files(layer.cacheID),
        crc: await createCrc64(),
        sink: (bytes) => void hash.update(bytes),
      });
      expect(`sha256:${hash.digest('hex')}`).toBe(layer.diffID);
      const [container] = store.layers.db.mounts.list();
      expect(container).toBe(containerID);
      const mount = store.layers.db.mounts.get(container!)!;
      expect(mount.parent).toBe(chainID);
      expect({ Name: store.driver.name, Data: store.driver.data(mount.mountID) }).toEqual(graphDriver);
      const merged = await store.driver.mount(mount.mountID);
      expect(readFileSync(join(merged, 'etc/hello'), 'utf8')).toBe('hi\n');
      await store.driver.unmount(mount.mountID);
      await store.layers.removeUnreferenced();
      expect(store.layers.get(chainID!)).toEqual(layer);
    }, 120_000);
  },
);
