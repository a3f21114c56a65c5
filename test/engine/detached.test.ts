import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cleanupContainer } from '../../src/engine/cleanup-container.js';
import { containerLog, type LogOptions } from '../../src/engine/container-log.js';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { pauseContainer, unpauseContainer } from '../../src/engine/pause-container.js';
import { renameContainer } from '../../src/engine/rename-container.js';
import { restartContainer } from '../../src/engine/restart-container.js';
import { type DetachedOptions, startDetached } from '../../src/engine/start-detached.js';
import { killContainer, stopContainer, waitContainer } from '../../src/engine/stop-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { updateContainer } from '../../src/engine/update-container.js';
import { bundleDirectory } from '../../src/runtime/bundle-directory.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { statusOf } from '../../src/runtime/container-state.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import type { LogEntry } from '../../src/runtime/log-reader.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { isAlive } from '../../src/runtime/process-identity.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { GANTRY, gantry } from '../helpers/gantry-process.js';
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
    beforeAll(async () => {
      directory = temporaryDirectory();
      store = openStore(join(directory.path, 'root'));
      options = { gantry: [process.execPath, GANTRY], runtime, searchPath: process.env.PATH ?? '' };
      await busyboxImage(store);
    });
    afterEach(async () => {
      for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
      expect(mounts()).toEqual([]);
      expect(readdirSync(join(runDirectory(store.root), 'bundles'))).toEqual([]);
    });
    afterAll(() => {
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
    const entriesOf = async (what: string, wanted: LogOptions = {}) => {
      const entries: LogEntry[] = [];
      for await (const entry of containerLog(store, what, wanted)) entries.push(entry);
      return entries;
    };
    const logOf = async (what: string, wanted: LogOptions = {}) =>
      (await entriesOf(what, wanted)).map(({ log }) => log).join('');
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

    it('restart keeps what --rm would take, until its next end', async () => {
      const id = await run('echo x >> /count; exec sleep 600', { rm: true });
      await restartContainer(store, id, { stop: { timeout: 0 }, start: options });
      expect((await state(id)).Running).toBe(true);
      const upper = store.driver.files(store.layers.db.mounts.get(id)!.mountID);
      await until(() => readFileSync(join(upper, 'count'), 'utf8') === 'x\nx\n');
      await stopContainer(store, id, { timeout: 0 });
      await until(() => !existsSync(join(store.root, 'containers', id)));
    });

    it('is cleaned up by conmon alone, again and again to no harm; --rm goes', async () => {
      const id = await create('sleep 0.5; exit 3', { rm: true });
      const { code, out, err } = await gantry(store.root, 'start', id);
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
      const gone = openStore(join(directory.path, 'gone'));
      await cleanupContainer(gone, id, options);
      expect(existsSync(gone.root)).toBe(false);
    });

    it("waits for conmon's own pid, which may come after the container's", async () => {
      const bin = join(directory.path, 'bin');
      mkdirSync(bin, { recursive: true });
      const late = `#!/bin/sh
for word do
  shift
  [ "$previous" = --conmon-pidfile ] && file=$word word=$word.early
  previous=$word
  set -- "$@" "$word"
done
${findExecutable('conmon')} "$@"
sleep 0.3
mv "$file.early" "$file"\n`;
      writeFileSync(join(bin, 'conmon'), late, { mode: 0o755 });
      const id = await create('sleep 600');
      await startDetached(store, id, { ...options, searchPath: `${bin}:${process.env.PATH}` });
      const { Supervisor } = await state(id);
      expect(readFileSync(`/proc/${Supervisor!.Pid}/comm`, 'utf8')).toBe('conmon\n');
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

    it('pauses and thaws, and stops what is paused', async () => {
      const id = await run('while :; do echo x; sleep 0.02; done');
      await pauseContainer(store, id);
      expect(statusOf(await state(id))).toBe('paused');
      await expect(pauseContainer(store, id)).rejects.toThrow(`Container ${id} is already paused`);
      await expect(startDetached(store, id, options)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      let before = '';
      // conmon may still write what was printed before; a line follows each 20 ms where it goes on.
      await until(async () => {
        before = await logOf(id);
        await sleep(200);
        return (await logOf(id)) === before;
      });
      await unpauseContainer(store, id);
      await until(async () => (await logOf(id)).length > before.length);
      await expect(unpauseContainer(store, id)).rejects.toThrow('is not paused');
      await pauseContainer(store, id);
      await stopContainer(store, id, { timeout: 1 });
      expect(await state(id)).toMatchObject({ Running: false, Paused: false, ExitCode: 137 });
      await expect(pauseContainer(store, id)).rejects.toThrow('is not running');
    });

    it('changes limits of what runs and of what will', async () => {
      const id = await run('sleep 600', { memory: '64m' });
      const read = () => {
        const file = cgroupLayout().version === 'v2' ? 'memory.max' : 'memory.limit_in_bytes';
        return readFileSync(join(cgroupLayout().controllers.get('memory')!, 'gantry', id, file), 'utf8');
      };
      expect(read()).toBe(`${64 << 20}\n`);
      await updateContainer(store, id, { Memory: 32 << 20, PidsLimit: 100 });
      expect(read()).toBe(`${32 << 20}\n`);
      await expect(updateContainer(store, id, { Memory: 1 })).rejects.toThrow('Minimum memory limit');
      await stopContainer(store, id, { timeout: 0 });
      await updateContainer(store, id, { Memory: 48 << 20 });
      await startDetached(store, id, options);
      expect(read()).toBe(`${48 << 20}\n`);
    });

    it('has another name, which no other has', async () => {
      const id = await create('true', { name: 'first' });
      await create('true', { name: 'second' });
      await renameContainer(store, 'first', 'third');
      expect((await findContainer(store, 'third')).ID).toBe(id);
      await expect(renameContainer(store, 'third', 'second')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      await expect(renameContainer(store, 'third', 'third')).rejects.toThrow('same name');
    });

    it('starts again on failure, so many times, and not when a user stopped it', async () => {
      const failing = await run('echo x >> /count; exit 3', { restart: 'on-failure:2' });
      expect(await waitContainer(store, failing)).toBe(3);
      const record = await findContainer(store, failing);
      expect(record).toMatchObject({ RestartCount: 2, State: { Restarting: false, Running: false } });
      const fine = await run('exit 0', { restart: 'on-failure' });
      expect(await waitContainer(store, fine)).toBe(0);
      expect((await findContainer(store, fine)).RestartCount).toBe(0);
      const always = await run('sleep 0.05', { restart: 'always' });
      await until(async () => (await findContainer(store, always)).RestartCount > 0);
      await stopContainer(store, always, { timeout: 0 });
      await sleep(600);
      expect(statusOf(await state(always))).toBe('exited');
      await startDetached(store, always, options);
      await until(async () => (await findContainer(store, always)).RestartCount > 0);
    });

    it('keeps what it printed, by stream and time, over restarts; tail, since and follow', async () => {
      const id = await run('echo out; echo err >&2; sleep 0.2; printf part; sleep 0.3; echo end');
      const followed = logOf(id, { follow: true });
      await waitContainer(store, id);
      expect((await followed).split('\n').sort()).toEqual(['', 'err', 'out', 'partend']);
      const streams = await entriesOf(id);
      expect(streams.find(({ log }) => log === 'err\n')?.stream).toBe('stderr');
      const middle = new Date().toISOString();
      await startDetached(store, id, options);
      await waitContainer(store, id);
      expect((await logOf(id)).match(/out/g)).toHaveLength(2);
      expect((await logOf(id, { since: middle })).match(/out/g)).toHaveLength(1);
      expect((await logOf(id, { until: middle })).match(/out/g)).toHaveLength(1);
      expect(await logOf(id, { tail: 1 })).toBe('end\n');
      expect(statSync(join(store.root, 'containers', id, `${id}-json.log`)).mode & 0o777).toBe(0o640);
      const silent = await run('echo lost', { logDriver: 'none' });
      await expect(logOf(silent)).rejects.toThrow('configured logging driver does not support reading');
    });

    it("bounds its log, conmon's own file too, and loses nothing of the rest", async () => {
      const id = await run(
        'i=0; while [ $i -lt 60000 ]; do echo "line $i"; i=$((i+1)); [ $((i % 8000)) = 0 ] && sleep 0.3; done',
        {
          logOpt: ['max-size=500k', 'max-file=4'],
        },
      );
      const all = await logOf(id, { follow: true });
      expect(all === Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join('')).toBe(true);
      const files = readdirSync(join(store.root, 'containers', id)).filter((name) =>
        name.includes('json.log'),
      );
      expect(files.length).toBe(4);
      const size = (name: string) => statSync(join(store.root, 'containers', id, name)).size;
      for (const name of files) expect(size(name)).toBeLessThan(512_200);
      expect(size('shim.log')).toBeLessThan(1_100_000);
      expect((await logOf(id)).endsWith('line 59999\n')).toBe(true);
    });

    it('executes a second process: streams, exit code, user, environment, directory, privileges', async () => {
      const id = await run('sleep 600', { env: ['A=1', 'B=1'], user: 'redis' });
      const exec = (...args: string[]) => gantry(store.root, 'exec', ...args);
      expect(await exec(id, 'sh', '-c', 'echo $A; echo err >&2; exit 7')).toEqual({
        code: 7,
        out: '1\n',
        err: 'err\n',
      });
      const all = [
        '-e',
        'B=2',
        '-w',
        '/data',
        '-u',
        'root',
        id,
        'sh',
        '-c',
        'echo $B $PWD; id -un; cat /proc/1/comm',
      ];
      expect((await exec(...all)).out).toBe('2 /data\nroot\nsleep\n');
      expect((await exec(id, 'id', '-un')).out).toBe('redis\n');
      const bounding = ['sh', '-c', 'grep -c . /dev/null; cat /proc/self/status'];
      const caps = async (...flags: string[]) =>
        /CapBnd:\s+(\w+)/.exec((await exec(...flags, id, ...bounding)).out)?.[1];
      expect(await caps()).toBe('00000000a80425fb');
      expect(BigInt(`0x${await caps('--privileged')}`)).toBeGreaterThan(0xa80425fbn);
      expect(await exec(id, 'nope')).toMatchObject({
        code: 127,
        err: expect.stringContaining(
          'OCI runtime exec failed: exec: "nope": executable file not found in $PATH',
        ),
      });
      expect((await exec(id, '/etc/not-executable')).code).toBe(126);
      expect(await exec('-d', '-u', 'root', id, 'sh', '-c', 'echo detached > /tmp/mark')).toEqual({
        code: 0,
        out: '',
        err: '',
      });
      await until(async () => (await exec(id, 'cat', '/tmp/mark')).out === 'detached\n');
      const { out } = await gantry(store.root, 'top', id);
      const { Pid } = await state(id);
      expect(out).toMatch(/^UID\s+PID\s+PPID/);
      expect(
        out
          .split('\n')
          .slice(1, -1)
          .map((line) => Number(line.split(/\s+/)[1])),
      ).toContain(Pid);
      expect(out).toContain('sleep 600');
      await pauseContainer(store, id);
      expect((await exec(id, 'true')).err).toContain('is paused');
      await removeContainer(store, id, { force: true });
      expect((await exec(id, 'true')).code).toBe(1);
    });

    it('attaches to its streams, and leaves it its stdin', async () => {
      const id = await run('while read line; do echo "<$line>"; echo "!$line" >&2; done; exit 6', {
        interactive: true,
      });
      const attach = () =>
        spawn(process.execPath, [GANTRY, '--root', store.root, 'attach', id], { stdio: 'pipe' });
      const first = attach();
      first.stdin.write('one\n');
      const [out] = await once(first.stdout, 'data');
      expect(String(out)).toBe('<one>\n');
      first.kill('SIGKILL');
      const second = attach();
      second.stdin.write('two\n');
      expect(String((await once(second.stderr, 'data'))[0])).toBe('!two\n');
      expect((await state(id)).Running).toBe(true);
      const ended = once(second, 'exit');
      await killContainer(store, id, 'TERM'); // a shell as pid 1 passes it over
      await killContainer(store, id);
      expect((await ended)[0]).toBe(137);
      const refused = await gantry(store.root, 'attach', id);
      expect(refused).toMatchObject({
        code: 1,
        err: expect.stringContaining('cannot attach to a stopped container'),
      });
    });

    it('attaches a terminal of the right size, and lets go of it by key', async () => {
      const script = 'stty -echo; while read line; do stty size; echo "<$line>"; done';
      const id = await run(script, { interactive: true, tty: true });
      const inner = `stty rows 31 cols 99; exec ${process.execPath} ${GANTRY} --root ${store.root} attach ${id}`;
      const child = spawn('script', ['-qec', inner, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
      let shown = '';
      child.stdout.on('data', (bytes) => {
        shown += bytes;
      });
      await until(() => {
        if (shown === '') child.stdin.write('\n');
        return shown.includes('31 99');
      });
      child.stdin.write('key\n');
      await until(() => shown.includes('<key>\r\n'));
      child.stdin.write('\x10\x11');
      expect((await once(child, 'close'))[0]).toBe(0);
      expect(shown).toContain('read escape sequence');
      expect((await state(id)).Running).toBe(true);
    });
  });
}
