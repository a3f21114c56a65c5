import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cleanupContainer } from '../../src/engine/cleanup-container.js';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { type DetachedOptions, startDetached } from '../../src/engine/start-detached.js';
import { killContainer, stopContainer, waitContainer } from '../../src/engine/stop-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { bundleDirectory } from '../../src/runtime/bundle-directory.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { statusOf } from '../../src/runtime/container-state.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { isAlive } from '../../src/runtime/process-identity.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { buildCli, callCli } from '../helpers/built-cli.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const context = { env: {}, cwd: '/', cpuCount: 1, readFile: () => '' };

for (const runtime of ['crun', 'runc']) {
  const why =
    whyNoContainers(runtime) ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
  describe.skipIf(why !== undefined)(`detached through ${runtime}${why ? ` (skipped: ${why})` : ''}`, () => {
    let directory: ReturnType<typeof temporaryDirectory>;
    let store: Store;
    let options: DetachedOptions;
    let cli: string;
    beforeAll(async () => {
      directory = temporaryDirectory();
      store = openStore(join(directory.path, 'root'));
      cli = await buildCli(`detached-${runtime}`);
      options = { gantry: [process.execPath, cli], runtime, searchPath: process.env.PATH ?? '' };
      await busyboxImage(store);
    });
    afterEach(async () => {
      for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
      expect(mounts()).toEqual([]);
      expect(readdirSync(join(runDirectory(store.root), 'bundles'))).toEqual([]);
    });
    afterAll(() => {
      rmSync(cli, { force: true });
      rmSync(runDirectory(store.root), { recursive: true, force: true });
      directory.remove();
    });

    const mounts = () =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(store.root));
    const create = async (script: string, flags: RunFlags = {}) => {
      const request = createRequest({ detach: true, ...flags }, 'busybox', ['sh', '-c', script], context);
      return (await createContainer(store, await busyboxImage(store), request)).id;
    };
    const run = async (script: string, flags: RunFlags = {}) =>
      startDetached(store, await create(script, flags), options);
    const state = async (what: string) => (await findContainer(store, what)).State;
    const until = async (holds: () => Promise<boolean> | boolean, ms = 10_000) => {
      for (const end = Date.now() + ms; !(await holds()); await sleep(20)) {
        if (Date.now() > end) throw new Error('waited in vain');
      }
    };

    it('has conmon for a parent, in a session of its own, and writes down its end', async () => {
      const id = await run('trap "exit 7" TERM; while :; do sleep 0.05; done');
      const { Process, Supervisor, Pid } = await state(id);
      expect(readFileSync(`/proc/${Supervisor!.Pid}/comm`, 'utf8')).toBe('conmon\n');
      const fields = (pid: number) =>
        readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
      expect(Number(fields(Pid)[1])).toBe(Supervisor!.Pid);
      expect(Number(fields(Supervisor!.Pid)[3])).not.toBe(Number(fields(process.pid)[3]));
      expect(execFileSync('ls', ['-l', `/proc/${Supervisor!.Pid}/fd`], { encoding: 'utf8' })).not.toContain(
        'koffi',
      );
      await stopContainer(store, id);
      expect(isAlive(Process!)).toBe(false);
      expect(await state(id)).toMatchObject({ Running: false, ExitCode: 7, OOMKilled: false, Pid: 0 });
      await until(() => !isAlive(Supervisor!));
      expect(existsSync(bundleDirectory(store.root, id))).toBe(false);
    });

    it('is cleaned up by conmon alone, again and again to no harm; --rm goes', async () => {
      const id = await create('sleep 0.5; exit 3', { rm: true });
      const { code, out, err } = await callCli(cli, store.root, 'start', id);
      expect({ code, out, err }).toEqual({ code: 0, out: `${id}\n`, err: '' });
      expect(await waitContainer(store, id)).toBe(3);
      await until(() => !existsSync(join(store.root, 'containers', id)));
      const kept = await run('exit 4');
      await until(
        () =>
          JSON.parse(readFileSync(join(store.root, 'containers', kept, 'config.v2.json'), 'utf8')).State
            .ExitCode === 4,
      );
      await cleanupContainer(store, kept, options);
      await cleanupContainer(store, id, options);
      expect(statusOf(await state(kept))).toBe('exited');
    });

    it('tells what did not start, and leaves nothing', async () => {
      const request = createRequest({ detach: true }, 'busybox', ['nope'], context);
      const { id } = await createContainer(store, await busyboxImage(store), request);
      await expect(startDetached(store, id, options)).rejects.toMatchObject({
        code: 'ERR_COMMAND_NOT_FOUND',
      });
      expect(await state(id)).toMatchObject({ ExitCode: 127, Running: false });
      await expect(startDetached(store, id, { ...options, searchPath: '/nowhere' })).rejects.toBeDefined();
    });

    it('stops: its signal, then SIGKILL after the time; a second stop does nothing', async () => {
      const id = await run('trap "" TERM; trap "exit 5" USR1; while :; do sleep 0.05; done');
      const began = Date.now();
      await stopContainer(store, id, { timeout: 1 });
      expect(Date.now() - began).toBeGreaterThan(900);
      expect(await state(id)).toMatchObject({ ExitCode: 137, OOMKilled: false });
      await stopContainer(store, id);
      await startDetached(store, id, options);
      await startDetached(store, id, options); // runs already
      await sleep(100);
      await stopContainer(store, id, { signal: 'USR1' });
      expect((await state(id)).ExitCode).toBe(5);
      await expect(killContainer(store, id)).rejects.toThrow(`container ${id} is not running`);
    });

    it('says when memory ran out', async () => {
      const id = await run('x=$(yes | head -c 200000000); echo survived', { memory: '32m' });
      const code = await waitContainer(store, id);
      const { OOMKilled } = await state(id);
      expect({ code, OOMKilled }).toEqual({ code: 137, OOMKilled: true });
    });

    it('removes a running one by force, cgroup and all', async () => {
      const id = await run('sleep 600');
      const { Process, Supervisor } = await state(id);
      await removeContainer(store, id, { force: true });
      expect(isAlive(Process!)).toBe(false);
      await until(() => !isAlive(Supervisor!));
      expect(existsSync(join(cgroupLayout().controllers.get('memory')!, 'gantry', id))).toBe(false);
      expect(await listContainers(store)).toEqual([]);
    });
  });
}
