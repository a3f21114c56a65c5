import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import type { ContainerRecord } from '../../src/runtime/container-record.js';
import { statusOf } from '../../src/runtime/container-state.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { gantry as call, GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';

const context = { env: {}, cwd: '/', cpuCount: 1, readFile: () => '' };
const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`start${why ? ` (skipped: ${why})` : ''}`, { timeout: 30_000 }, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  beforeAll(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    await busyboxImage(store);
  });
  afterAll(async () => {
    for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const gantry = (...args: string[]) => call(store.root, ...args);
  const create = async (script: string, flags: RunFlags = {}) => {
    const request = createRequest(flags, 'busybox', ['sh', '-c', script], context);
    return (await createContainer(store, await busyboxImage(store), request)).id;
  };
  const state = async (what: string) => (await findContainer(store, what)).State;
  const until = async (holds: () => Promise<boolean> | boolean) => {
    for (const end = Date.now() + 15_000; !(await holds()); await sleep(20)) {
      if (Date.now() > end) throw new Error('waited in vain');
    }
  };
  const spawnCli = (...args: string[]) =>
    spawn(process.execPath, [GANTRY, '--root', store.root, ...args], { stdio: 'pipe' });
  /** As after a reboot: what ran, ran under another boot id. */
  const reboot = async (...ids: string[]) => {
    for (const id of ids) {
      const { Process, Supervisor } = await state(id);
      const path = join(store.root, 'containers', id, 'config.v2.json');
      const record = JSON.parse(readFileSync(path, 'utf8')) as ContainerRecord;
      const before = <T>(identity: T) => ({ ...identity, BootID: 'the-one-before' });
      const State = { ...record.State, Process: before(Process!), Supervisor: before(Supervisor!) };
      process.kill(Supervisor!.Pid, 'SIGKILL');
      process.kill(Process!.Pid, 'SIGKILL');
      await sleep(50);
      await store.driver.unmount(store.layers.db.mounts.get(record.ID)!.mountID);
      writeFileSync(path, JSON.stringify({ ...record, State }));
    }
    rmSync(runDirectory(store.root), { recursive: true }); // /run is a tmpfs
  };

  it('run in the foreground passes output and exit code, and says nothing itself', async () => {
    const { id } = await busyboxImage(store);
    const command = ['sh', '-c', 'echo out; echo err >&2; exit 5'];
    expect(await gantry('run', '--rm', id, ...command)).toEqual({ code: 5, out: 'out\n', err: 'err\n' });
  });

  it('-a passes all output and the exit code, again and again, and with --rm', async () => {
    const id = await create('echo out; echo err >&2; exit 5');
    for (let time = 0; time < 2; time++)
      expect(await gantry('start', '-a', id)).toEqual({ code: 5, out: 'out\n', err: 'err\n' });
    expect((await gantry('logs', id)).out).toBe('out\nout\n');
    const gone = await create('echo once; exit 6', { rm: true });
    expect(await gantry('start', '-a', gone)).toEqual({ code: 6, out: 'once\n', err: '' });
    await until(async () => (await listContainers(store)).every(({ ID }) => ID !== gone));
    const request = createRequest({}, 'busybox', ['nope'], context);
    const { id: broken } = await createContainer(store, await busyboxImage(store), request);
    expect(await gantry('start', '-a', broken)).toMatchObject({ code: 127, out: '' });
    expect((await gantry('start', '-a', id, broken)).err).toContain('cannot start and attach multiple');
  });

  it('a reader that goes away ends run, which takes its container away; start -a says it', async () => {
    const { id: image } = await busyboxImage(store);
    const before = (await listContainers(store)).length;
    const head = (...args: string[]) => {
      const line = 'set -o pipefail; "$@" | head -n 1';
      const command = [process.execPath, GANTRY, '--root', store.root, ...args];
      return spawnSync('bash', ['-c', line, 'bash', ...command], { encoding: 'utf8', timeout: 25_000 });
    };
    const run = head('run', '--rm', '--network', 'none', image, 'yes');
    expect(run).toMatchObject({ stdout: 'y\n', status: 1, stderr: expect.stringMatching(/^yes: .*\n$/) });
    expect(await listContainers(store)).toHaveLength(before);
    const id = await create('yes');
    const gone = 'write: broken pipe: the reader went away before the end';
    expect(head('start', '-a', id)).toMatchObject({
      stdout: 'y\n',
      status: 1,
      stderr: expect.stringContaining(gone),
    });
    await removeContainer(store, id, { force: true });
  });

  it('-a forwards signals; killed itself it leaves the container to conmon, and a second one attaches', async () => {
    const id = await create('trap "echo caught; exit 9" TERM; echo up; while :; do sleep 0.05; done');
    const first = spawnCli('start', '-a', id);
    const firstGone = once(first, 'exit');
    await once(first.stdout, 'data');
    first.kill('SIGKILL');
    await firstGone;
    expect((await state(id)).Running).toBe(true);
    const second = spawnCli('start', '-a', id);
    let told = '';
    second.stdout.on('data', (bytes) => {
      told += bytes;
    });
    const ended = once(second, 'close');
    const events = () =>
      readFileSync(join(store.root, 'gantry/events.ndjson'), 'utf8').split('"attach"').length;
    const before = events();
    await until(() => events() > before); // it is connected
    second.kill('SIGTERM');
    expect((await ended)[0]).toBe(9);
    expect(told).toBe('caught\n');
  });

  it('-i gives it what is typed; -t with the detach keys lets go of it', async () => {
    const id = await create('read line; echo "<$line>"; exit 3', { interactive: true });
    const child = spawnCli('start', '-i', id);
    const ended = once(child, 'exit');
    child.stdin.end('typed\n');
    expect(String((await once(child.stdout, 'data'))[0])).toBe('<typed>\n');
    expect((await ended)[0]).toBe(3);
    const terminal = await create('while read line; do stty size; done', { interactive: true, tty: true });
    expect(await gantry('start', '-ai', terminal)).toMatchObject({
      code: 1,
      err: expect.stringContaining('the input device is not a TTY'),
    });
    const inner = `stty rows 33 cols 77; exec ${process.execPath} ${GANTRY} --root ${store.root} start -ai --detach-keys a,b ${terminal}`;
    const typed = spawn('script', ['-qec', inner, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const left = once(typed, 'close');
    let shown = '';
    typed.stdout.on('data', (bytes) => {
      shown += bytes;
    });
    await until(() => {
      if (shown === '') typed.stdin.write('\n');
      return shown.includes('33 77');
    });
    typed.stdin.write('ab');
    expect((await left)[0]).toBe(0);
    expect(shown).toContain('read escape sequence');
    expect((await state(terminal)).Running).toBe(true);
  });

  it('starts several, tells which did not, and goes on', async () => {
    const [one, two] = [await create('sleep 600'), await create('sleep 600')];
    const { code, out, err } = await gantry('start', one, 'nobody', two);
    expect({ code, out }).toEqual({ code: 1, out: `${one}\n${two}\n` });
    expect(err.toLowerCase()).toContain('no such container: nobody');
  });

  it('tries a restart that failed again, until it is possible, and stops when told to', async () => {
    const needed = join(directory.path, 'needed');
    mkdirSync(needed);
    const id = await create('sleep 0.3; exit 1', { restart: 'always', volume: [`${needed}:/needed`] });
    await gantry('start', id);
    rmSync(needed, { recursive: true });
    await until(async () => (await findContainer(store, id)).RestartCount > 1);
    expect(await state(id)).toMatchObject({
      Running: false,
      Restarting: true,
      Error: expect.stringMatching(/./),
    });
    mkdirSync(needed);
    await until(async () => (await state(id)).Running);
    await until(async () => (await state(id)).Restarting);
    await gantry('stop', id);
    expect(statusOf(await state(id))).toBe('exited');
    await sleep(500);
    expect(statusOf(await state(id))).toBe('exited');
  });

  it('after a reboot tells the truth, and --all with a filter starts what is to be started', async () => {
    for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
    const names = ['no', 'always', 'unless-stopped', 'stopped'];
    const ids: string[] = [];
    for (const name of names) {
      const restart = name === 'stopped' ? 'unless-stopped' : name;
      ids.push(await create('sleep 600', { restart, name: `boot-${name}` }));
    }
    await create('sleep 600', { restart: 'always', name: 'boot-never-started' });
    expect((await gantry('start', ...ids)).code).toBe(0);
    await gantry('stop', '-t', '0', ids[3]!);
    await reboot(...ids.slice(0, 3));
    for (const id of ids.slice(0, 3)) {
      expect(await state(id)).toMatchObject({ Running: false, Restarting: false, ExitCode: 255 });
      expect((await state(id)).Error).toContain('restarted');
    }
    const wanted = ['--filter', 'should-start-on-boot=true', '--filter', 'name=^boot-'];
    const { code, out, err } = await gantry('start', '--all', ...wanted);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.trim().split('\n').sort()).toEqual(['boot-always', 'boot-unless-stopped']);
    const running = (await gantry('ps', '-f', 'name=^boot-', '--format', '{{.Names}}')).out;
    expect(running.trim().split('\n').sort()).toEqual(['boot-always', 'boot-unless-stopped']);
    const policy = (await gantry('ps', '-a', '-f', 'restart-policy=unless-stopped', '--format', '{{.Names}}'))
      .out;
    expect(policy.trim().split('\n').sort()).toEqual(['boot-stopped', 'boot-unless-stopped']);
    expect((await gantry('start', '--all', ids[0]!)).code).toBe(1);
    expect((await gantry('start')).code).toBe(1);
  });
});
