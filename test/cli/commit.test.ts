/** commit and diff as commands, without a judge: what they say, what they leave, what a kill leaves. */
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseContainerID } from '../../src/core/ids.js';
import { openStore } from '../../src/engine/store.js';
import { ContainerStore } from '../../src/runtime/container-store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { builtGantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { inconsistencies, leftovers } from '../helpers/store-check.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`commit and diff${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = temporaryDirectory();
  const root = join(dir.path, 'root');
  const store = openStore(root);
  let image: string;

  const gantry = (...args: string[]) => builtGantry(root, ...args);
  const ok = (...args: string[]): string => {
    const { code, out, err } = gantry(...args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return out.trim();
  };
  /** A stopped container that ran a script. */
  const stopped = (name: string, script: string): string => {
    const id = ok('create', '--name', name, image, 'sh', '-c', script);
    expect(gantry('start', '-a', name).code).toBe(0);
    return id;
  };
  const upper = (id: string) => store.driver.files(store.layers.db.mounts.get(parseContainerID(id))!.mountID);
  const configOf = (id: string) => store.images.get(id as never)!.config;

  beforeAll(async () => {
    image = (await busyboxImage(store, { Env: ['A=1'], Labels: { of: 'image' }, OnBuild: ['RUN x'] })).id;
  });
  afterAll(() => {
    gantry('rm', '-f', ...gantry('ps', '-aq').out.split('\n').filter(Boolean));
    rmSync(runDirectory(root), { recursive: true, force: true });
    dir.remove();
  });

  it('a stopped container: the image runs, the container goes on, nothing is left over', () => {
    stopped('still', 'echo new >/data/new; busybox rm -f /data/seed; echo more >>/etc/passwd');
    expect(ok('diff', 'still')).toBe('C /data\nA /data/new\nD /data/seed\nC /etc\nC /etc/passwd');
    const id = ok('commit', '-c', 'ENV B=2', '-m', 'why', 'still', 'repo/of:mine');
    expect(ok('run', '--rm', id, 'sh', '-c', 'echo $A$B; ls /data; cat /etc/passwd')).toMatch(
      /^12\nnew\nsub\n[\s\S]*more$/,
    );
    const config = configOf(id);
    expect(config.config).toMatchObject({ Env: ['A=1', 'B=2'], Labels: { of: 'image' } });
    expect(config.config).not.toHaveProperty('OnBuild');
    expect(config.config).not.toHaveProperty('Hostname');
    expect(store.images.get(id as never)?.parent).toBe(image);
    expect(store.tags.get('repo/of:mine')).toBe(id);
    expect(ok('start', '-a', 'still')).toBe('');
    expect(ok('history', '--format', '{{.Comment}} {{.Size}}', id).split('\n')[0]).toMatch(/^why \d+B$/);
    expect(inconsistencies(root)).toEqual([]);
    expect(leftovers(root)).toEqual([]);
    const events = ok(
      'events',
      '--since',
      '1h',
      '--until',
      '0s',
      '--filter',
      'event=commit',
      '--format',
      'json',
    );
    expect(JSON.parse(events)).toMatchObject({
      Action: 'commit',
      Actor: { Attributes: { comment: 'why', imageID: id, imageRef: 'repo/of:mine', name: 'still' } },
    });
  });

  it('the same changes over the same image are one layer; none are none', () => {
    const first = ok('commit', 'still');
    const second = ok('commit', 'still');
    expect(configOf(second).rootfs).toEqual(configOf(first).rootfs);
    stopped('nothing', 'true');
    expect(ok('diff', 'nothing')).toBe('');
    const empty = configOf(ok('commit', 'nothing'));
    expect(empty.rootfs.diff_ids).toHaveLength(1);
    expect(empty.history?.at(-1)).toMatchObject({ empty_layer: true, created_by: 'sh -c true' });
  });

  it('a running one is paused meanwhile, unless not wanted', () => {
    ok('run', '-d', '--name', 'live', image, 'sh', '-c', 'echo hi >/data/hi; while sleep 0.1; do :; done');
    for (let tries = 0; tries < 100 && !gantry('diff', 'live').out.includes('/data/hi'); tries++);
    const actions = () =>
      ok('events', '--since', '1h', '--until', '0s', '--filter', 'container=live', '--format', '{{.Action}}')
        .split('\n')
        .filter((action) => /pause|commit/.test(action));
    ok('commit', 'live', 'live');
    expect(actions()).toEqual(['pause', 'commit', 'unpause']);
    ok('commit', '--pause=false', 'live');
    expect(actions()).toEqual(['pause', 'commit', 'unpause', 'commit']);
    expect(ok('run', '--rm', 'live', 'cat', '/data/hi')).toBe('hi');
    expect(gantry('commit', '--consume', 'live')).toMatchObject({
      code: 1,
      err: expect.stringContaining('expected it to be stopped'),
    });
    ok('pause', 'live');
    ok('commit', 'live');
    expect(ok('inspect', '--format', '{{.State.Paused}}', 'live')).toBe('true');
    ok('rm', '-f', 'live');
  });

  it('diff --size tells bytes, directories with what is in them', () => {
    stopped(
      'sized',
      'mkdir /d; busybox truncate -s 2000 /d/a; echo 12345678 >/d/b; busybox ln /d/b /d/c; busybox rm /data/seed',
    );
    expect(gantry('diff', '--size', 'sized').out).toBe(
      [
        'A   2.009kB   /d',
        'A   2kB       /d/a',
        'A   9B        /d/b',
        'A   0B        /d/c',
        'C   0B        /data',
        'D   -         /data/seed',
        '    2.009kB   total\n',
      ].join('\n'),
    );
  });

  it('--consume: the files become the layer’s, the container is gone', () => {
    const id = stopped(
      'given',
      'busybox dd if=/dev/zero of=/data/big bs=1k count=2000 2>/dev/null; busybox rm /data/seed',
    );
    const { ino } = statSync(join(upper(id), 'data/big'));
    const made = ok('commit', '--consume', 'given', 'given');
    expect(gantry('inspect', 'given').out).not.toContain(id);
    expect(gantry('diff', id).code).toBe(1);
    const [top] = store.layers
      .list()
      .filter(({ diffID }) => diffID === configOf(made).rootfs.diff_ids?.at(-1));
    expect(statSync(join(store.driver.files(top!.cacheID), 'data/big')).ino).toBe(ino);
    expect(ok('run', '--rm', 'given', 'ls', '/data')).toBe('big\nsub');
    expect(inconsistencies(root)).toEqual([]);
    expect(leftovers(root)).toEqual([]);
  });

  it('--consume that was killed is ended by the same command, and by nothing else started', () => {
    const id = stopped('killed', 'echo kept >/data/kept');
    const records = new ContainerStore(root);
    const record = records.get(parseContainerID(id))!;
    records.put({ ...record, State: { ...record.State, RemovalInProgress: true } }, { sync: false });
    expect(gantry('start', '-a', 'killed').code).not.toBe(0);
    expect(gantry('commit', 'killed').err).toContain('which is being removed');
    const made = ok('commit', '--consume', 'killed');
    expect(ok('run', '--rm', made, 'cat', '/data/kept')).toBe('kept');
    expect(existsSync(join(root, 'containers', id))).toBe(false);
  });

  it('--consume that fails leaves the container as it was', () => {
    stopped('refused', 'echo >/data/.wh.x; echo on >/data/on');
    expect(gantry('commit', '--consume', 'refused').code).toBe(1);
    expect(gantry('start', '-a', 'refused').code).toBe(0);
    expect(leftovers(root)).toEqual([]);
  });

  it.each([
    [['commit', 'nosuch'], 'No such container: nosuch'],
    [['commit', 'still', 'x/UPPER'], 'not a valid repository/tag'],
    [['commit', 'still', `x@sha256:${'0'.repeat(64)}`], 'digest reference'],
    [['commit', '-c', 'RUN x', 'still'], 'run is not a valid change command'],
    [['diff', 'nosuch'], 'No such container: nosuch'],
    [['export', 'nosuch'], 'No such container: nosuch'],
  ])('%s fails', (args, message) => {
    expect(gantry(...args)).toMatchObject({ code: 1, out: '', err: expect.stringContaining(message) });
    expect(leftovers(root)).toEqual([]);
  });

  it('a name that a layer cannot hold is told, and nothing is left', () => {
    const id = stopped('odd', 'echo >/data/.wh.x');
    expect(gantry('commit', 'odd')).toMatchObject({ code: 1, err: expect.stringContaining('data/.wh.x') });
    expect(leftovers(root)).toEqual([]);
    expect(readFileSync(join(upper(id), 'data/.wh.x'), 'utf8')).toBe('\n');
  });
});
