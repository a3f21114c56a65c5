import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerConfig } from '../../src/core/oci/image-config.js';
import { containerLog } from '../../src/engine/container-log.js';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { runContainer, startContainer } from '../../src/engine/run.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { statusOf } from '../../src/runtime/container-state.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import type { LogEntry } from '../../src/runtime/log-reader.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { isAlive } from '../../src/runtime/process-identity.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const context = {
  env: { FROM_CALLER: 'yes' },
  cwd: '/',
  cpuCount: 1,
  readFile: (path: string) => readFileSync(path, 'utf8'),
};

/** Under node_modules, so that the packages it needs are found. */
const script = join(import.meta.dirname, '../../node_modules/.cache/gantry-test/start-and-wait.mjs');

for (const runtime of ['crun', 'runc']) {
  const why = whyNoContainers(runtime);
  describe.skipIf(why !== undefined)(`run through ${runtime}${why ? ` (skipped: ${why})` : ''}`, () => {
    let directory: ReturnType<typeof temporaryDirectory>;
    let store: Store;
    beforeAll(async () => {
      directory = temporaryDirectory();
      store = openStore(join(directory.path, 'root'));
      await build({
        entryPoints: [join(import.meta.dirname, 'start-and-wait.ts')],
        outfile: script,
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
      });
    });
    afterAll(() => {
      rmSync(runDirectory(store.root), { recursive: true, force: true });
      directory.remove();
    });

    const streams = (input = '') => {
      const stdout = new PassThrough();
      const stderr = new PassThrough();
      const read = Promise.all([text(stdout), text(stderr)]);
      return {
        options: { stdin: Readable.from([input]), stdout, stderr, runtime, signalProxy: false },
        output: async () => {
          stdout.end();
          stderr.end();
          const [out, err] = await read;
          return { stdout: out, stderr: err };
        },
      };
    };

    const run = async (
      command: readonly string[],
      flags: RunFlags = {},
      config: ContainerConfig = {},
      input = '',
    ) => {
      const image = await busyboxImage(store, config);
      const { options, output } = streams(input);
      const code = await runContainer(
        store,
        image,
        createRequest({ rm: true, ...flags }, 'busybox', command, context),
        options,
      );
      return { code, ...(await output()) };
    };
    const sh = (script: string, flags?: RunFlags, config?: ContainerConfig) =>
      run(['sh', '-c', script], flags, config);
    const start = async (what: string) => {
      const { options, output } = streams();
      const code = await startContainer(store, what, options);
      return { code, ...(await output()) };
    };
    const mounts = () =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(store.root));

    it("honours the image's config under the flags", async () => {
      const image = {
        Entrypoint: ['echo', 'from'],
        Cmd: ['image'],
        Env: ['A=1', 'B=1'],
        User: 'redis',
        WorkingDir: '/data',
      };
      expect(await run([], {}, image)).toMatchObject({ code: 0, stdout: 'from image\n' });
      expect(await run(['user'], {}, image)).toMatchObject({ stdout: 'from user\n' });
      const script = ['-c', 'echo $A $B $FROM_CALLER $HOME $PWD; id'];
      expect(await run(script, { entrypoint: 'sh', env: ['B=2', 'FROM_CALLER'] }, image)).toMatchObject({
        stdout: '1 2 yes /data /data\nuid=999(redis) gid=998(redis) groups=29(audio),998(redis)\n',
      });
    });

    it('leaks no descriptor of ours (CVE-2024-21626)', async () => {
      // 3 is the directory that ls reads.
      expect((await run(['ls', '/proc/self/fd'])).stdout).toBe('0\n1\n2\n3\n');
    });

    it('passes stdin only with -i', async () => {
      expect(await run(['cat'], { interactive: true }, {}, 'typed\n')).toMatchObject({ stdout: 'typed\n' });
      expect(await run(['cat'], {}, {}, 'typed\n')).toMatchObject({ stdout: '' });
    });

    it.each([
      [['sh', '-c', 'exit 3'], 3],
      [['sh', '-c', 'kill -9 $$; kill -9 1; exit 9'], 9],
      [['false'], 1],
    ])('gives the exit code of %j', async (command, code) => {
      expect((await run(command)).code).toBe(code);
    });

    it('keeps a container whose command was not found, with code and error, unless --rm', async () => {
      await expect(run(['nope'], { rm: false, name: 'broken' })).rejects.toMatchObject({
        code: 'ERR_COMMAND_NOT_FOUND',
      });
      const record = await findContainer(store, 'broken');
      expect(record.State).toMatchObject({
        ExitCode: 127,
        Error: expect.stringContaining('not found in $PATH'),
      });
      expect(statusOf(record.State)).toBe('created');
      await removeContainer(store, 'broken');
      await expect(run(['/etc/not-executable'])).rejects.toMatchObject({
        code: 'ERR_COMMAND_NOT_EXECUTABLE',
      });
      expect(await listContainers(store)).toEqual([]);
      expect(mounts()).toEqual([]);
    });

    it('leaves nothing of a --rm container whose runtime cannot be executed', async () => {
      const broken = join(directory.path, runtime);
      writeFileSync(broken, '#!/no/such/program\n', { mode: 0o755 });
      await expect(run(['true'], { runtime: broken })).rejects.toMatchObject({
        code: 'ERR_RUNTIME',
        message: expect.stringContaining(`cannot run ${broken}`),
      });
      expect(await listContainers(store)).toEqual([]);
      expect(mounts()).toEqual([]);
    });

    it('mounts binds, tmpfs and a read-only root', async () => {
      const host = join(directory.path, 'host');
      mkdirSync(host);
      writeFileSync(join(host, 'file'), 'from the host\n');
      const flags = {
        volume: [`${host}:/mnt`, `${host}:/mnt-ro:ro`],
        readOnly: true,
        tmpfs: ['/scratch:size=1m'],
      };
      const result = await sh(
        'cat /mnt/file; echo back > /mnt/back; touch /mnt-ro/x || echo ro; touch /x || echo ro; touch /scratch/x && echo rw',
        flags,
      );
      expect(result.stdout).toBe('from the host\nro\nro\nrw\n');
      expect(readFileSync(join(host, 'back'), 'utf8')).toBe('back\n');
      const missing = { mount: [`type=bind,source=${host}/none,target=/mnt`] };
      await expect(sh('true', missing)).rejects.toThrow(`bind source path does not exist: ${host}/none`);
    });

    it('fills volumes from the image, keeps named ones, and takes anonymous ones along', async () => {
      const image = { Volumes: { '/data': {} } };
      expect((await sh('cat /data/seed; ls /data', {}, image)).stdout).toBe('from the image\nseed\nsub\n');
      expect(readdirSync(join(store.root, 'volumes'))).toEqual([]);
      await sh('echo kept > /data/seed', { volume: ['named:/data'] });
      expect((await sh('cat /data/seed', { volume: ['named:/data'] })).stdout).toBe('kept\n');
      expect(readdirSync(join(store.root, 'volumes'))).toEqual(['named']);
    });

    it('limits memory and says when it was exceeded', async () => {
      const file = cgroupLayout().version === 'v2' ? 'memory.max' : 'memory/memory.limit_in_bytes';
      const limit = await sh(`cat /sys/fs/cgroup/${file}`, { memory: '64m' });
      expect(limit.stdout).toBe(`${64 << 20}\n`);
      const eater = 'x=$(yes | head -c 200000000); echo survived';
      expect(
        (await sh(`sh -c '${eater}'; exec sh -c '${eater}'`, { memory: '32m', name: 'eater', rm: false }))
          .code,
      ).toBe(137);
      expect((await findContainer(store, 'eater')).State.OOMKilled).toBe(true);
      await removeContainer(store, 'eater');
    });

    it('has a hostname, hosts and the reaper of --init', async () => {
      expect(
        (await sh('cat /etc/hostname /proc/sys/kernel/hostname; head -n 1 /etc/hosts', { hostname: 'box' }))
          .stdout,
      ).toBe('box\nbox\n127.0.0.1\tlocalhost\n');
      if (findExecutable('docker-init')) expect((await sh('echo $$', { init: true })).stdout).not.toBe('1\n');
    });

    it('start uses the write layer again; run does not see it; rm deletes it', async () => {
      const image = await busyboxImage(store);
      const command = ['sh', '-c', 'cat /mark 2>/dev/null; echo ran >> /mark'];
      const { id, name } = await createContainer(
        store,
        image,
        createRequest({}, 'busybox', command, context),
      );
      expect((await start(name)).stdout).toBe('');
      expect((await start(id.slice(0, 12))).stdout).toBe('ran\n');
      expect(statusOf((await findContainer(store, id)).State)).toBe('exited');
      expect((await run(command)).stdout).toBe('');
      const layer = store.layers.db.mounts.get(id)!;
      await removeContainer(store, id);
      expect(existsSync(store.driver.files(layer.mountID))).toBe(false);
      await expect(findContainer(store, id)).rejects.toThrow(`No such container: ${id}`);
    });

    it('keeps its output in the log, both streams, of each run', async () => {
      const { stdout } = await sh('echo out; echo err >&2; printf é', { name: 'logged', rm: false });
      expect(stdout).toBe('out\né');
      await start('logged');
      const entries: LogEntry[] = [];
      for await (const entry of containerLog(store, 'logged', {})) entries.push(entry);
      const texts = (stream: string) => entries.filter((one) => one.stream === stream).map(({ log }) => log);
      expect(texts('stdout').join('')).toBe('out\néout\né');
      expect(texts('stderr')).toEqual(['err\n', 'err\n']);
      const { ID } = await findContainer(store, 'logged');
      expect(readFileSync(join(store.root, 'containers', ID, `${ID}-json.log`), 'utf8')).toContain(
        '"log":"out\\n"',
      );
      await removeContainer(store, 'logged');
    });

    it('refuses a name in use, a second start and a plain rm while it runs; rm -f ends it', async () => {
      const running = run(['sleep', '60'], { name: 'busy', rm: false });
      while (!(await listContainers(store)).some((one) => one.State.Running)) await sleep(20);
      await expect(run(['true'], { name: 'busy' })).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      await expect(start('busy')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      await expect(removeContainer(store, 'busy')).rejects.toThrow('container is running');
      await removeContainer(store, 'busy', { force: true });
      expect((await running).code).toBe(137);
      expect(await listContainers(store)).toEqual([]);
      expect(mounts()).toEqual([]);
    });

    it("joins terminals: typed keys, the window's size, signals by key, and all newlines once", async () => {
      const image = await busyboxImage(store);
      const flags = { tty: true, interactive: true };
      const command = [
        'sh',
        '-c',
        'stty size; trap "echo interrupted; exit 9" INT; while :; do read line && echo "<$line>"; done',
      ];
      const { id } = await createContainer(store, image, createRequest(flags, 'busybox', command, context));
      // script(1) gives the process a terminal of its own, whose size stty sets first.
      const inner = `stty rows 31 cols 99; exec ${process.execPath} ${script} ${store.root} ${id} ${runtime}`;
      const child = spawn('script', ['-qec', inner, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
      let shown = '';
      child.stdout.on('data', (bytes) => {
        shown += bytes;
        if (shown.endsWith('31 99\r\n')) child.stdin.write('key\n');
        if (shown.endsWith('<key>\r\n')) child.stdin.write('\x03');
      });
      const [code] = await once(child, 'close'); // after its last output
      expect(shown).toBe('31 99\r\nkey\r\n<key>\r\n^Cinterrupted\r\n');
      expect(code).toBe(9);
      await removeContainer(store, id);
      await expect(run(['true'], flags)).rejects.toThrow('the input device is not a TTY');
    });

    it.each([
      ['passes a signal on', 'trap "exit 5" TERM', 1, 5],
      ['kills who does not listen to the third', 'trap "" TERM', 3, 137],
    ])('%s', async (_what, trap, times, code) => {
      const image = await busyboxImage(store);
      const command = ['sh', '-c', `${trap}; echo ready; while :; do sleep 0.05; done`];
      const { id } = await createContainer(store, image, createRequest({}, 'busybox', command, context));
      const child = spawn(process.execPath, [script, store.root, id, runtime], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const ended = once(child, 'exit');
      for (let sent = 0; sent < times; sent++) {
        child.kill('SIGTERM');
        await sleep(50); // two of one kind that wait are one
      }
      expect((await ended)[0]).toBe(code);
      expect((await findContainer(store, id)).State).toMatchObject({ ExitCode: code, OOMKilled: false });
      await removeContainer(store, id);
    });

    it('sets limits and capabilities that are asked for, and says so when it cannot', async () => {
      const script = 'ulimit -n; ulimit -Hn; head -n 1 /proc/self/comm; cat /proc/self/status';
      const { stdout } = await sh(script, {
        ulimit: ['nofile=100:200'],
        capDrop: ['ALL'],
        capAdd: ['chown'],
        securityOpt: ['no-new-privileges'],
      });
      expect(stdout).toMatch(/^100\n200\n/);
      expect(stdout).toMatch(/CapBnd:\s+0000000000000001/);
      expect(stdout).toMatch(/NoNewPrivs:\s+1/);
      const many = { ulimit: [`nofile=${2 ** 31}`] };
      await expect(sh('true', many)).rejects.toMatchObject({ code: 'ERR_RUNTIME' });
    });

    it("has only loopback without a network, and the host's interfaces with it", async () => {
      const names = (text: string) =>
        text
          .split('\n')
          .slice(2)
          .map((line) => line.split(':')[0]!.trim())
          .filter(Boolean)
          .sort();
      expect(names((await sh('cat /proc/net/dev')).stdout)).toEqual(['lo']);
      const host = names(readFileSync('/proc/net/dev', 'utf8'));
      expect(names((await sh('cat /proc/net/dev', { network: 'host' })).stdout)).toEqual(host);
    });

    it.each(['process', 'process group', 'process with its watchdog'])(
      'a killed %s takes the container with it',
      async (what) => {
        const image = await busyboxImage(store);
        const request = createRequest({}, 'busybox', ['sleep', '600'], context);
        const { id } = await createContainer(store, image, request);
        const child = spawn(process.execPath, [script, store.root, id, runtime], {
          detached: true,
          stdio: 'ignore',
        });
        while (!(await findContainer(store, id)).State.Running) await sleep(50);
        const identity = (await findContainer(store, id)).State.Process!;
        if (what === 'process with its watchdog') {
          const watchdog = execFileSync('pgrep', ['-f', `gantry-watchdog ${id}`], { encoding: 'utf8' });
          process.kill(Number(watchdog), 'SIGKILL');
        }
        process.kill(what === 'process group' ? -child.pid! : child.pid!, 'SIGKILL');
        await once(child, 'exit');
        if (what !== 'process with its watchdog') {
          for (let waited = 0; isAlive(identity) && waited < 3000; waited += 50) await sleep(50);
          expect(isAlive(identity)).toBe(false);
        }
        const [record] = await listContainers(store);
        expect(record?.State).toMatchObject({ Running: false, ExitCode: 137, Pid: 0 });
        expect(isAlive(identity)).toBe(false);
        expect(mounts()).toEqual([]);
        const memory = cgroupLayout().controllers.get('memory')!;
        expect(existsSync(join(memory, 'gantry', id))).toBe(false);
        await removeContainer(store, id);
      },
    );
  });
}
