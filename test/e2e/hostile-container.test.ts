/**
 * `commit --pause=false` and `export` of a container that changes its files under them: directories become links to a place on
 * the host and back, files grow and are cut short, trees come and go, or are too deep. Each ends with a right layer or
 * archive, or with a clear error, and nothing of the host is in it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseContainerID } from '../../src/core/ids.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { builtGantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { readTar } from '../helpers/read-tar.js';
import { damagedLayers, inconsistencies, leftovers } from '../helpers/store-check.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
const ROUNDS = 4;
const SECRET = 'of the host';

/** `$1` is a directory of the host; `secret` lies in it, and in the directory that becomes a link to it. */
const HOSTILE = `
  mkdir /h /h/dir /h/dir/sub; echo inside >/h/dir/secret; echo inside >/h/dir/sub/secret
  i=0; while [ $i -lt 200 ]; do echo $i >/h/dir/$i; i=$((i+1)); done
  forever() { while :; do "$@"; done; }
  swap() { busybox mv /h/dir /h/away; busybox ln -s $1 /h/dir; busybox rm /h/dir; busybox mv /h/away /h/dir; }
  size() { busybox dd if=/dev/zero of=/h/grows bs=64k count=40 2>/dev/null; : >/h/grows; busybox truncate -s 3000000 /h/grows; }
  tree() { mkdir -p /h/t/1/2/3/4/5/6/7/8; busybox touch /h/t/1/2/3/4/f; busybox ln /h/t/1/2/3/4/f /h/t/1/g; busybox mkfifo /h/t/p; busybox rm -rf /h/t; }
  forever swap $1 2>/dev/null & forever size & forever tree 2>/dev/null & wait`;

describe.skipIf(why !== undefined)(`a hostile live container${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = temporaryDirectory();
  const root = join(dir.path, 'root');
  const outside = join(dir.path, 'outside');
  const store = openStore(root);
  let image: string;
  const gantry = (...args: string[]) => builtGantry(root, ...args);
  const ended = ({ code, err }: { code: number | null; err: string }): boolean => {
    if (code === 0) return true;
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^gantry: (?!.*internal)/) });
    return false;
  };

  beforeAll(async () => {
    image = (await busyboxImage(store)).id;
    mkdirSync(join(outside, 'sub'), { recursive: true });
    for (const name of ['secret', 'sub/secret', '1']) writeFileSync(join(outside, name), SECRET);
  });
  afterAll(() => {
    gantry('rm', '-f', ...gantry('ps', '-aq').out.split('\n').filter(Boolean));
    rmSync(runDirectory(root), { recursive: true, force: true });
    dir.remove();
  });

  it('is committed and exported without what lies outside', async () => {
    const started = gantry('run', '-d', '--name', 'hostile', image, 'sh', '-c', HOSTILE, 'sh', outside);
    expect(started).toMatchObject({ code: 0 });
    const upper = store.driver.files(
      store.layers.db.mounts.get(parseContainerID(started.out.trim()))!.mountID,
    );
    const archive = join(dir.path, 'export.tar');
    let [committed, exported] = [0, 0];
    for (let round = 0; round < ROUNDS; round++) {
      if (ended(gantry('commit', '--pause=false', 'hostile', `live:${round}`))) committed++;
      if (!ended(gantry('export', '-o', archive, 'hostile'))) continue;
      exported++;
      for (const { name, content } of readTar(readFileSync(archive)).entries)
        expect(content.includes(SECRET), name).toBe(false);
    }
    expect(gantry('inspect', '--format', '{{.State.Running}}', 'hostile').out).toBe('true\n');
    expect(gantry('rm', '-f', 'hostile').code).toBe(0);
    expect(spawnSync('ls', [upper]).status).not.toBe(0);
    expect({ committed: committed > 0, exported: exported > 0 }).toEqual({ committed: true, exported: true });
    expect(inconsistencies(root)).toEqual([]);
    // The base has no tar.
    const [base] = store.images.get(image as never)!.config.rootfs.diff_ids!;
    expect((await damagedLayers(root)).filter((line) => !line.startsWith(`layer ${base}`))).toEqual([]);
    for (const { cacheID } of store.layers.list())
      expect(spawnSync('grep', ['-rl', '--devices=skip', SECRET, store.driver.files(cacheID)]).status).toBe(
        1,
      );
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe(SECRET);
    expect(leftovers(root)).toEqual([]);
  }, 60_000);

  it('that is too deep is refused, and can be removed', () => {
    const deep = 'i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit 3; i=$((i+1)); done';
    expect(gantry('run', '--name', 'deep', '-w', '/data', image, 'sh', '-c', deep)).toMatchObject({
      code: 0,
    });
    const { code, err } = gantry('commit', 'deep', 'deep:1');
    expect(code).toBe(1);
    expect(err).toMatch(/^gantry: .*expected at most \d+ directories/);
    expect(gantry('export', '-o', join(dir.path, 'deep.tar'), 'deep')).toMatchObject({
      code: 1,
      err: expect.stringContaining('gantry: '),
    });
    expect(gantry('rm', 'deep')).toMatchObject({ code: 0, err: '' });
    expect(leftovers(root)).toEqual([]);
  });
});
