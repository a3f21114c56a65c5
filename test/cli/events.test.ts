import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvents, recordEvent, type StoredEvent } from '../../src/engine/events.js';
import { parseFilters } from '../../src/engine/filters.js';
import { openStore } from '../../src/engine/store.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { runCli } from '../helpers/cli-run.js';
import { gantry as call, GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

// Events have microseconds, and a clock that may be some milliseconds before that of a reader.
const ended = () => ['--since', '0', '--until', String(Date.now() / 1000 + 0.05)];

describe('events', () => {
  const dir = temporaryDirectory();
  const gantry = (...args: string[]) => runCli(dir.path, ...args);
  const journal = join(dir.path, 'gantry/events.ndjson');
  afterAll(() => dir.remove());

  it('of an empty store are none, and nothing is made', async () => {
    expect(await gantry('events', ...ended())).toEqual({ code: 0, out: '', err: '' });
    expect(existsSync(journal)).toBe(false);
  });

  it('are told as text, as JSON and by template', async () => {
    await gantry('volume', 'create', 'data');
    const { out } = await gantry('events', ...ended());
    expect(out).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) volume create data \(driver=local\)\n$/,
    );
    const json = (await gantry('events', ...ended(), '--format', 'json')).out;
    expect(JSON.parse(json)).toEqual({
      Type: 'volume',
      Action: 'create',
      Actor: { ID: 'data', Attributes: { driver: 'local' } },
      scope: 'local',
      time: expect.any(Number),
      timeNano: expect.any(Number),
    });
    expect(json).toMatch(/"time":(\d{10}),"timeNano":\1\d{9}\}\n$/);
    const template = '{{.Type}}:{{.Action}} {{.Actor.ID}}';
    expect((await gantry('events', ...ended(), '--format', template)).out).toBe('volume:create data\n');
    const everything = '{{.Status}}|{{.ID}}|{{.From}}|{{.Scope}}|{{.Time}}|{{.TimeNano}}|{{json .Actor}}';
    expect((await gantry('events', ...ended(), '--format', everything)).out).toMatch(
      /^\|\|\|local\|(\d{10})\|\1\d{9}\|\{.*\}\n$/,
    );
    expect(statSync(journal).mode & 0o777).toBe(0o600);
  });

  it('are filtered, and times are read as docker reads them', async () => {
    const store = openStore(dir.path);
    const attributes = { image: 'redis:7', name: 'cache', tier: 'fast' };
    recordEvent(store, { type: 'container', action: 'exec_create: ls', id: 'abcdef', attributes });
    recordEvent(store, { type: 'image', action: 'pull', id: 'redis:7', attributes: { name: 'redis:7' } });
    const actions = async (...filters: string[]) =>
      (
        await gantry('events', ...ended(), '--format', '{{.Action}}', ...filters.flatMap((f) => ['-f', f]))
      ).out
        .split('\n')
        .slice(0, -1);
    expect(await actions()).toEqual(['create', 'exec_create: ls', 'pull']);
    expect(await actions('type=container', 'type=image')).toEqual(['exec_create: ls', 'pull']);
    expect(await actions('event=exec_create')).toEqual(['exec_create: ls']);
    expect(await actions('container=cache')).toEqual(['exec_create: ls']);
    expect(await actions('container=abc', 'label=tier=fast')).toEqual(['exec_create: ls']);
    expect(await actions('container=abc', 'label=tier=slow')).toEqual([]);
    expect(await actions('image=redis')).toEqual(['exec_create: ls', 'pull']);
    expect(await actions('image=redi')).toEqual([]);
    expect(await actions('image=redis:7')).toEqual(['exec_create: ls', 'pull']);
    expect(await actions('volume=data')).toEqual(['create']);
    expect((await gantry('events', ...ended(), '-f', 'colour=red')).err).toContain("Invalid filter 'colour'");
    expect((await gantry('events', '--since', '1h', '--until', '30m')).out).toBe('');
    expect((await gantry('events', '--since', '2020-01-01', '--until', '2020-01-02')).out).toBe('');
  });

  it('that come are told as they come, across a rotation, and a torn line is passed over', async () => {
    const store = openStore(dir.path);
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      const options = { filters: parseFilters(['type=network']), signal: stop.signal };
      for await (const { event } of readEvents(store, options)) seen.push(event.Actor.ID);
    })();
    await sleep(150);
    const record = (id: string) => recordEvent(store, { type: 'network', action: 'create', id });
    record('one');
    await sleep(250);
    expect(seen).toEqual(['one']);
    record('two');
    writeFileSync(journal, `{"Type":"network","Act\n${`${' '.repeat(1023)}\n`.repeat(8 * 1024)}`, {
      flag: 'a',
    });
    record('three');
    await expect.poll(() => existsSync(join(dir.path, 'gantry/events.1.ndjson'))).toBe(true);
    record('four');
    await expect.poll(() => seen).toEqual(['one', 'two', 'three', 'four']);
    stop.abort();
    await reading;
    expect((await gantry('events', ...ended(), '-f', 'type=network', '--format', '{{.Actor.ID}}')).out).toBe(
      'one\ntwo\nthree\nfour\n',
    );
    expect(statSync(journal).size).toBeLessThan(1000);
  });
});

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
describe.skipIf(why !== undefined)(`events of containers${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = temporaryDirectory();
  let image: string;
  const gantry = (...args: string[]) => call(dir.path, ...args);
  const events = () =>
    readFileSync(join(dir.path, 'gantry/events.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StoredEvent & { status?: string; id?: string; from?: string });
  beforeAll(async () => {
    image = (await busyboxImage(openStore(dir.path))).id;
  });
  afterAll(() => {
    rmSync(runDirectory(dir.path), { recursive: true, force: true });
    dir.remove();
  });

  it("run --rm tells docker's sequence", async () => {
    await gantry('run', '--rm', '--name', 'short', '-l', 'a=b', image, 'sh', '-c', 'exit 3');
    const all = events();
    expect(all.map(({ Action }) => Action)).toEqual(['create', 'attach', 'start', 'die', 'destroy']);
    expect(new Set(all.map(({ Actor }) => Actor.ID)).size).toBe(1);
    expect(all[3]).toMatchObject({
      status: 'die',
      id: all[0]!.Actor.ID,
      from: image,
      Type: 'container',
      Actor: { Attributes: { name: 'short', image, a: 'b', exitCode: '3', execDuration: '0' } },
    });
  });

  it('a detached life from create to destroy, watched from outside', async () => {
    const filters = ['--since', String(Date.now() / 1000), '-f', 'container=long', '--format', '{{.Action}}'];
    const watcher = spawn(process.execPath, [GANTRY, '--root', dir.path, 'events', ...filters], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let told = '';
    watcher.stdout.on('data', (text: Buffer) => {
      told += text;
    });
    await gantry('run', '-d', '--name', 'long', image, 'sleep', '1000');
    await gantry('pause', 'long');
    await gantry('unpause', 'long');
    await gantry('exec', 'long', 'sh', '-c', 'exit 4');
    await gantry('stop', '-t', '0', 'long');
    await gantry('rm', 'long');
    await expect.poll(() => told, { timeout: 10_000 }).toContain('destroy');
    watcher.kill('SIGINT');
    const [code] = await once(watcher, 'close');
    expect(code).toBe(0);
    expect(told.trim().split('\n')).toEqual([
      'create',
      'start',
      'pause',
      'unpause',
      'exec_create: sh -c exit 4',
      'exec_start: sh -c exit 4',
      'exec_die',
      'kill',
      'kill',
      'die',
      'stop',
      'destroy',
    ]);
    expect(events().find(({ Action }) => Action === 'exec_die')!.Actor.Attributes).toMatchObject({
      exitCode: '4',
    });
    expect(events().find(({ Action }) => Action === 'kill')!.Actor.Attributes).toMatchObject({
      signal: '15',
    });
  });

  it('a volume from its creation by run to its end, and what prune gave back', async () => {
    const before = events().length;
    const [named, anonymous] = ['kept:/kept', '/anonymous'];
    await gantry('run', '--name', 'holder', '-v', named, '-v', anonymous, image, 'true');
    await gantry('rm', '-v', 'holder');
    await gantry('container', 'prune', '-f');
    await gantry('volume', 'prune', '-af');
    await gantry('network', 'prune', '-f');
    const all = events().slice(before);
    const told = all.map(({ Type, Action }) => `${Type} ${Action}`);
    expect(told).toEqual([
      ...['volume create', 'volume create', 'container create', 'container attach'],
      ...[
        'volume mount',
        'volume mount',
        'container start',
        'container die',
        'volume unmount',
        'volume unmount',
      ],
      ...['volume destroy', 'container destroy', 'container prune', 'volume destroy', 'volume prune'],
      'network prune',
    ]);
    const id = all.find(({ Action }) => Action === 'start')!.Actor.ID;
    const mount = all.find(({ Action, Actor }) => Action === 'mount' && Actor.ID === 'kept')!;
    expect(mount.Actor.Attributes).toEqual({
      container: id,
      driver: 'local',
      destination: '/kept',
      propagation: '',
      'read/write': 'true',
    });
    expect(all.at(-1)!.Actor).toEqual({ ID: '', Attributes: { reclaimed: expect.stringMatching(/^\d+$/) } });
    const filtered = await gantry('events', ...ended(), '-f', `container=${id}`, '-f', 'type=volume');
    expect(filtered.out.match(/ volume (un)?mount /g)).toHaveLength(4);
  });

  it('restart, by hand and by policy: each run has its die and its start', async () => {
    const before = events().length;
    await gantry(
      'run',
      '-d',
      '--name',
      'again',
      '--restart',
      'on-failure:1',
      image,
      'sh',
      '-c',
      'sleep 0.3; exit 3',
    );
    await gantry('wait', 'again');
    await gantry('restart', '-t', '0', 'again');
    await gantry('rm', '-f', 'again');
    const told = events()
      .slice(before)
      .map(({ Action }) => Action);
    expect(told.slice(0, 7)).toEqual(['create', 'start', 'die', 'start', 'die', 'start', 'restart']);
  });

  it('images: tag, untag, delete, prune', async () => {
    await gantry('tag', image, 'box:1');
    await gantry('rmi', 'box:1');
    await gantry('image', 'prune', '-f');
    const all = events().filter(({ Type }) => Type === 'image');
    expect(all.map(({ Action, Actor }) => `${Action} ${Actor.Attributes.name}`)).toEqual([
      'tag box:1',
      'untag box:1',
      `delete ${image}`,
      'prune undefined',
    ]);
  });
});
