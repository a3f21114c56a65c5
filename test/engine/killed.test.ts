/** kill -9 of gantry, of conmon, of the container, at any moment: the next command tells the truth and cleans up. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerLog } from '../../src/engine/container-log.js';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { type DetachedOptions, startDetached } from '../../src/engine/start-detached.js';
import { killContainer, stopContainer } from '../../src/engine/stop-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { statusOf } from '../../src/runtime/container-state.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { isAlive } from '../../src/runtime/process-identity.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { readVolumes } from '../../src/runtime/volume-store.js';
import { GANTRY, gantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const context = { env: {}, cwd: '/', cpuCount: 1, readFile: () => '' };
const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
/** By default few, for CI; GANTRY_TEST_KILLS=20 for the whole proof. */
const TIMES = Number(process.env.GANTRY_TEST_KILLS ?? 6);

describe.skipIf(why !== undefined)(`killed${why ? ` (skipped: ${why})` : ''}`, { timeout: 120_000 }, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  let options: DetachedOptions;
  beforeAll(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    options = { gantry: [process.execPath, GANTRY], searchPath: process.env.PATH ?? '' };
    await busyboxImage(store);
  });
  afterAll(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const create = async (script: string, flags: RunFlags = {}) => {
    const request = createRequest({ detach: true, ...flags }, 'busybox', ['sh', '-c', script], context);
    return (await createContainer(store, await busyboxImage(store), request)).id;
  };
  const commandOf = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return ''; // it has ended
    }
  };
  const processesOf = (id: string) =>
    readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(id));
  const until = async (holds: () => boolean) => {
    for (const end = Date.now() + 10_000; !holds(); await sleep(10)) {
      if (Date.now() > end) throw new Error('waited in vain');
    }
  };
  const expectNoMounts = () => {
    const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
    expect(mountinfo.split('\n').filter((line) => line.includes(store.root))).toEqual([]);
  };
  const expectNothingLeft = async (id: string) => {
    expectNoMounts();
    expect(existsSync(join(runDirectory(store.root), 'bundles', id))).toBe(false);
    for (const mount of cgroupLayout().controllers.values()) {
      expect(existsSync(join(mount, 'gantry', id))).toBe(false);
    }
    await until(() => processesOf(id).length === 0);
  };

  it('gantry while it starts one: it runs, or nothing of it is there', async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < TIMES * 2; round++) {
      const id = await create('sleep 600');
      const child = spawn(process.execPath, [GANTRY, '--root', store.root, 'start', id], { stdio: 'ignore' });
      // Asked for before the kill: on a quiet machine the start may be over by then.
      const exited = once(child, 'exit');
      await sleep(70 + (round * 220) / (TIMES * 2));
      child.kill('SIGKILL');
      await exited;
      const [record] = await listContainers(store);
      const status = statusOf(record!.State);
      outcomes.add(status);
      expect(['created', 'running']).toContain(status);
      if (status === 'created') await expectNothingLeft(id);
      else expect(isAlive(record!.State.Process!)).toBe(true);
      await removeContainer(store, id, { force: true });
      await expectNothingLeft(id);
    }
    expect(outcomes.size).toBeGreaterThan(0);
  });

  it('gantry run, from its first step to its last: nothing runs on, and nothing is left', async () => {
    const outcomes = new Set<string>();
    const { id: image } = await busyboxImage(store);
    const layers = store.driver.list().length;
    for (let round = 0; round < TIMES * 2; round++) {
      const idFile = join(directory.path, `id-${round}`);
      const flags = ['--rm', '--network', 'none', '--cidfile', idFile];
      const command = ['run', ...flags, image, 'sh', '-c', round % 2 === 0 ? 'sleep 600' : 'exit 3'];
      const child = spawn(process.execPath, [GANTRY, '--root', store.root, ...command], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      await sleep(60 + (round * 160) / (TIMES * 2));
      child.kill('SIGKILL');
      await exited;
      const [record] = await listContainers(store);
      expectNoMounts();
      const id = record?.ID ?? (existsSync(idFile) ? readFileSync(idFile, 'utf8') : '');
      outcomes.add(record === undefined ? 'none' : statusOf(record.State));
      expect(['none', 'created']).toContain(record === undefined ? 'none' : statusOf(record.State));
      if (record !== undefined) await removeContainer(store, record.ID, { force: true });
      expect(store.driver.list()).toHaveLength(layers);
      if (id === '') continue; // it was not made yet
      await until(() => processesOf(id).length === 0);
      await expectNothingLeft(id);
      expect(existsSync(join(runDirectory(store.root), 'crun', id))).toBe(false);
    }
    expect(outcomes.size).toBeGreaterThan(0);
  });

  it('gantry run --rm, once it has told the end: nothing of it is left', async () => {
    const { id: image } = await busyboxImage(store);
    const events = join(store.root, 'gantry', 'events.ndjson');
    const layers = store.driver.list().length;
    for (let round = 0; round < TIMES * 2; round++) {
      const before = statSync(events, { throwIfNoEntry: false })?.size ?? 0;
      const args = ['run', '--rm', '--network', 'none', '-v', '/data', image, 'touch', '/data/a', '/b'];
      const child = spawn(process.execPath, [GANTRY, '--root', store.root, ...args], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      const told = () => (existsSync(events) ? readFileSync(events, 'utf8').slice(before) : '');
      while (!told().includes('"Action":"die"') && child.exitCode === null) await sleep(0);
      for (const until = performance.now() + round / 4; performance.now() < until; );
      child.kill('SIGKILL');
      await exited;
      expect(await listContainers(store)).toEqual([]);
      await expectNothingLeft(/"id":"([0-9a-f]{64})","from"/.exec(told())![1]!);
      expect(store.driver.list()).toHaveLength(layers);
      expect(store.layers.db.mounts.list()).toEqual([]);
      expect(readVolumes(store.root)).toEqual([]);
    }
  });

  it('conmon: the container lives on, is stopped or killed; never exit code 0 when nobody knows', async () => {
    for (let round = 0; round < TIMES; round++) {
      const id = await create(round % 3 === 2 ? 'sleep 0.2; exit 0' : 'sleep 600');
      await startDetached(store, id, options);
      const { Process, Supervisor } = (await findContainer(store, id)).State;
      process.kill(Supervisor!.Pid, 'SIGKILL');
      await until(() => !isAlive(Supervisor!));
      if (isAlive(Process!)) expect(statusOf((await findContainer(store, id)).State)).toBe('running');
      if (round % 3 === 0) await stopContainer(store, id, { timeout: 0 });
      else if (round % 3 === 1) await killContainer(store, id);
      else await until(() => !isAlive(Process!));
      expect((await findContainer(store, id)).State).toMatchObject({
        ExitCode: 255,
        Error: 'supervisor lost',
      });
      await expectNothingLeft(id);
      await removeContainer(store, id);
    }
  });

  it('conmon while it starts one: the start says so, or was done; nothing is left, and it starts again', async () => {
    for (let round = 0; round < Math.ceil(TIMES / 2); round++) {
      const id = await create('sleep 600');
      const child = spawn(process.execPath, [GANTRY, '--root', store.root, 'start', id], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      let shim: string | undefined;
      while (shim === undefined && child.exitCode === null) {
        shim = processesOf(id).find((pid) => commandOf(pid).split('\0')[0]!.endsWith('conmon'));
        await sleep(1);
      }
      await sleep((round * 120) / TIMES);
      try {
        if (shim !== undefined) process.kill(Number(shim), 'SIGKILL');
      } catch {
        // it was the one that only begot the other
      }
      const [code] = await exited;
      const { State } = await findContainer(store, id);
      expect(['0 running', '1 created', '0 exited']).toContain(`${code} ${statusOf(State)}`);
      if (code === 1) await expectNothingLeft(id);
      await startDetached(store, id, options);
      expect((await findContainer(store, id)).State.Running).toBe(true);
      await removeContainer(store, id, { force: true });
      await expectNothingLeft(id);
    }
  });

  it('the container: 137, not called out of memory', async () => {
    for (let round = 0; round < TIMES; round++) {
      const id = await create('sleep 600', { memory: '64m' });
      await startDetached(store, id, options);
      const { Process } = (await findContainer(store, id)).State;
      process.kill(Process!.Pid, 'SIGKILL');
      await (round % 2 === 0 ? sleep(100) : until(() => !isAlive(Process!)));
      expect((await findContainer(store, id)).State).toMatchObject({
        Running: false,
        ExitCode: 137,
        OOMKilled: false,
      });
      await expectNothingLeft(id);
      await removeContainer(store, id);
    }
  });

  it('all three at once', async () => {
    for (let round = 0; round < TIMES; round++) {
      const id = await create('sleep 600');
      await startDetached(store, id, options);
      const { Process, Supervisor } = (await findContainer(store, id)).State;
      const stopping = spawn(process.execPath, [GANTRY, '--root', store.root, 'stop', id], {
        stdio: 'ignore',
      });
      await sleep(round * 30);
      for (const pid of [Supervisor!.Pid, Process!.Pid, stopping.pid!]) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // it has ended
        }
      }
      await until(() => !isAlive(Process!));
      const { State } = await findContainer(store, id);
      expect(State.Running).toBe(false);
      expect([137, 255]).toContain(State.ExitCode);
      await expectNothingLeft(id);
      await removeContainer(store, id);
    }
  });

  it('the cleanup of one that is to be started again: the next command has it done', async () => {
    for (let round = 0; round < Math.ceil(TIMES / 3); round++) {
      const id = await create('sleep 0.1; exit 1', { restart: 'always' });
      await startDetached(store, id, options);
      const { Process } = (await findContainer(store, id)).State;
      await until(() => !isAlive(Process!));
      await sleep(round * 60);
      for (const pid of processesOf(id)) process.kill(Number(pid), 'SIGKILL');
      for (let waited = 0; (await findContainer(store, id)).RestartCount === 0 && waited < 100; waited++)
        await sleep(50);
      expect((await findContainer(store, id)).RestartCount).toBeGreaterThan(0);
      await removeContainer(store, id, { force: true });
      await expectNothingLeft(id);
    }
  });

  it('who reads the log, again and again: no line is lost or told twice', async () => {
    const id = await create('i=0; while [ $i -lt 4000 ]; do echo "line $i"; i=$((i+1)); done; sleep 600', {
      logOpt: ['max-size=100k', 'max-file=9'],
    });
    await startDetached(store, id, options);
    for (let round = 0; round < TIMES; round++) {
      const child = spawn(process.execPath, [GANTRY, '--root', store.root, 'logs', '-f', id], {
        stdio: 'ignore',
      });
      await sleep(60 + round * 20);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const read = async (): Promise<string> => {
      let all = '';
      for await (const { log } of containerLog(store, id, {})) all += log;
      return all;
    };
    let text = await read();
    for (let waited = 0; !text.includes('line 3999\n') && waited < 100; waited++) {
      await sleep(100); // a loaded machine is slow to print them
      text = await read();
    }
    expect(text === Array.from({ length: 4000 }, (_, i) => `line ${i}\n`).join('')).toBe(true);
    expect((await gantry(store.root, 'rm', '-f', id)).code).toBe(0);
    await expectNothingLeft(id);
  });
});
