import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerConfig } from '../../src/core/oci/image-config.js';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { pauseContainer, unpauseContainer } from '../../src/engine/pause-container.js';
import { type DetachedOptions, startDetached } from '../../src/engine/start-detached.js';
import { stopContainer } from '../../src/engine/stop-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import type { Health } from '../../src/runtime/health.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { dockerdPresent, withDockerd } from '../helpers/dockerd.js';
import { GANTRY, gantry } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const OFTEN = { healthInterval: '100ms', healthRetries: '2' };

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`health checks${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  let options: DetachedOptions;
  beforeAll(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
    options = { gantry: [process.execPath, GANTRY], searchPath: process.env.PATH ?? '' };
  });
  afterEach(async () => {
    for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
    await until(() => monitors().length === 0);
  });
  afterAll(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const until = async (holds: () => Promise<boolean> | boolean) => {
    for (const end = Date.now() + 15_000; !(await holds()); await sleep(20)) {
      if (Date.now() > end) throw new Error('waited in vain');
    }
  };
  const commandLine = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };
  const monitors = (): number[] =>
    readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        const words = commandLine(pid);
        return words.includes(store.root) && words.includes('health-monitor');
      })
      .map(Number);
  const run = async (flags: RunFlags, config: ContainerConfig = {}) => {
    const request = createRequest({ detach: true, ...flags }, 'busybox', ['sleep', '600'], {
      env: {},
      cwd: '/',
      cpuCount: 2,
      readFile: () => '',
    });
    const { id } = await createContainer(store, await busyboxImage(store, config), request);
    return startDetached(store, id, options);
  };
  const state = async (what: string) => (await findContainer(store, what)).State;
  const health = async (what: string): Promise<Health> => (await state(what)).Health!;
  const becomes = (what: string, status: Health['Status']) =>
    until(async () => (await health(what)).Status === status);

  it('follows what the command says, tells it, and starts over with the container', async () => {
    const volume = temporaryDirectory();
    const id = await run({
      ...OFTEN,
      name: 'checked',
      volume: [`${volume.path}:/host`],
      healthCmd: 'cat /host/ok && echo err >&2',
    });
    expect(await health(id)).toEqual({ Status: 'starting', FailingStreak: 0, Log: [] });
    await becomes(id, 'unhealthy');
    const { Log, FailingStreak } = await health(id);
    expect(FailingStreak).toBeGreaterThanOrEqual(2);
    expect(Log.at(-1)).toMatchObject({ ExitCode: 1, Output: expect.stringContaining('/host/ok') });
    writeFileSync(join(volume.path, 'ok'), 'fine\n');
    await becomes(id, 'healthy');
    expect((await health(id)).Log.at(-1)).toMatchObject({ ExitCode: 0, Output: 'fine\nerr\n' });
    await until(async () => (await health(id)).Log.length === 5);
    expect(monitors()).toHaveLength(1);

    const ps = async (...args: string[]) => (await gantry(store.root, 'ps', ...args)).out;
    expect(await ps('--format', '{{.Status}}')).toMatch(/^Up .* \(healthy\)\n$/);
    expect(await ps('-q', '--filter', 'health=healthy')).not.toBe('');
    expect(await ps('-q', '--filter', 'health=unhealthy')).toBe('');
    const inspect = ['inspect', '-f', '{{.State.Health.Status}} {{.State.Health.FailingStreak}}', id];
    expect((await gantry(store.root, ...inspect)).out).toBe('healthy 0\n');
    const filters = ['--since', '1', '--until', '0s', '--filter', 'event=health_status'];
    const { out } = await gantry(store.root, 'events', ...filters, '--format', '{{.Action}}');
    expect(out).toBe('health_status: unhealthy\nhealth_status: healthy\n');

    await stopContainer(store, id, { timeout: 0 });
    expect((await health(id)).Status).toBe('unhealthy');
    await startDetached(store, id, options);
    expect(await health(id)).toMatchObject({ Status: 'starting', Log: { length: 5 } });
    await becomes(id, 'healthy');
    volume.remove();
  }, 40_000);

  it('a killed monitor is replaced by who looks; it ends with the last container, none with NONE', async () => {
    const plain = await run({ healthcheck: false }, { Healthcheck: { Test: ['CMD', 'true'] } });
    await listContainers(store);
    expect((await state(plain)).Health).toBeUndefined();
    expect(monitors()).toEqual([]);
    const Healthcheck = { Test: ['CMD', 'true'], Interval: 1e8 };
    const both = [await run({}, { Healthcheck }), await run({}, { Healthcheck })];
    for (const id of both) await becomes(id, 'healthy');
    // A second one may have been started meanwhile; it finds the lock taken.
    await until(() => monitors().length === 1);
    process.kill(monitors()[0]!, 'SIGKILL');
    await until(() => monitors().length === 0);
    const [before] = (await health(both[0]!)).Log.slice(-1);
    // The lock may still be another's who found it taken: whoever looks next starts one.
    await until(async () => {
      await listContainers(store);
      return (await health(both[0]!)).Log.at(-1)!.Start > before!.End;
    });
    await until(() => monitors().length === 1);
    await removeContainer(store, both[0]!, { force: true });
    await stopContainer(store, both[1]!, { timeout: 0 });
    await until(() => monitors().length === 0);
  }, 40_000);

  it.each(['crun', 'runc'].filter((runtime) => whyNoContainers(runtime) === undefined))(
    'ends what takes too long, inside too (%s)',
    async (runtime) => {
      const healthCmd = 'echo begun; exec sleep 599';
      const late = await run({ ...OFTEN, runtime, healthCmd, healthTimeout: '500ms' });
      await becomes(late, 'unhealthy');
      // One that has not come as far as to say something may be among them.
      const Output = 'Health check exceeded timeout (500ms): begun\n';
      await until(async () => (await health(late)).Log.some((probe) => probe.Output === Output));
      expect((await health(late)).Log.every(({ ExitCode }) => ExitCode === -1)).toBe(true);
      // Between two probes there is none; one that was left behind would stay.
      const inside = () => readdirSync('/proc').filter((pid) => commandLine(pid) === 'sleep\x00599\x00');
      await until(() => inside().length === 0);
    },
    20_000,
  );

  it('one that cannot be locked leaves the others their checks', async () => {
    const Healthcheck = { Test: ['CMD', 'true'], Interval: 1e8 };
    const [bad, good] = [await run({}, { Healthcheck }), await run({}, { Healthcheck })];
    for (const id of [bad, good]) await becomes(id, 'healthy');
    await until(() => monitors().length === 1);
    const [monitor] = monitors();
    const path = store.lockPath('containers', bad);
    const blocked = () => {
      try {
        mkdirSync(path);
        return true;
      } catch {
        return false; // a probe has it now
      }
    };
    await until(blocked);
    try {
      await sleep(1500); // several were due
      expect(monitors()).toEqual([monitor]);
      const { Log } = await health(good);
      await until(async () => (await health(good)).Log.at(-1)!.Start > Log.at(-1)!.End);
    } finally {
      rmSync(path, { recursive: true });
    }
  }, 40_000);

  it('says what did not run; cuts what is long; asks no frozen one', async () => {
    const absent = await run({}, { Healthcheck: { Test: ['CMD', 'nope'], Interval: 1e8, Retries: 1 } });
    const loud = await run({ ...OFTEN, healthCmd: 'yes | head -c 100000' });
    await becomes(absent, 'unhealthy');
    expect((await health(absent)).Log.at(-1)).toMatchObject({
      ExitCode: -1,
      Output: expect.stringContaining('not found in $PATH'),
    });
    await becomes(loud, 'healthy');
    expect((await health(loud)).Log[0]!.Output).toHaveLength(4096);
    await pauseContainer(store, loud);
    await sleep(300); // a probe that was under way
    const frozen = await health(loud);
    await sleep(500);
    expect(await health(loud)).toEqual(frozen);
    await unpauseContainer(store, loud);
    await until(async () => (await health(loud)).Log.at(-1)!.Start > frozen.Log.at(-1)!.End);
  }, 40_000);

  it.skipIf(!dockerdPresent)(
    'a real dockerd on the same root tells what we recorded (needs dockerd)',
    async () => {
      const id = await run({ ...OFTEN, name: 'shared', healthCmd: 'echo fine' });
      await becomes(id, 'healthy');
      await stopContainer(store, id, { timeout: 0 });
      const { Health, Resources } = await state(id);
      await until(() => monitors().length === 0);
      await withDockerd({ directory: directory.path, root: store.root }, (docker) => {
        expect(docker('ps', '-a', '--format', '{{.Names}}: {{.State}}')).toBe('shared: exited');
        const [{ Config, State }] = JSON.parse(docker('inspect', 'shared'));
        expect(Config.Healthcheck).toEqual({ Test: ['CMD-SHELL', 'echo fine'], Interval: 1e8, Retries: 2 });
        expect(State.ExitCode).toBe(137);
        expect(State.Health).toMatchObject({
          Status: 'unhealthy', // as dockerd itself says of what has ended
          Log: Health!.Log.map(({ ExitCode, Output }) => ({ ExitCode, Output })),
        });
      });
      expect(Resources!.CpuUsage).toBeGreaterThan(0);
      expect(await health(id)).toMatchObject({ Log: Health!.Log.map(({ Output }) => ({ Output })) });
    },
    60_000,
  );

  it('in the foreground too', async () => {
    const { name } = await createContainer(
      store,
      await busyboxImage(store),
      createRequest({ ...OFTEN, healthCmd: 'true', name: 'fore' }, 'busybox', ['sleep', '600'], {
        env: {},
        cwd: '/',
        cpuCount: 2,
        readFile: () => '',
      }),
    );
    const ended = gantry(store.root, 'start', '-a', name);
    await until(async () => (await state(name)).Health?.Status === 'healthy');
    await removeContainer(store, name, { force: true });
    expect((await ended).code).toBe(137);
  }, 20_000);
});
