import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { arch, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newContainerID } from '../../src/core/ids.js';
import { bundle } from '../../src/runtime/bundle.js';
import { writeBundle } from '../../src/runtime/bundle-directory.js';
import { boundingSet } from '../../src/runtime/capabilities.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import type { ContainerSettings, HostConfig } from '../../src/runtime/create-request.js';
import { hostDevices } from '../../src/runtime/devices.js';
import { type Launched, launch } from '../../src/runtime/launch.js';
import { chooseRuntime, deleteFromRuntime, type OciRuntime } from '../../src/runtime/oci-runtime.js';
import seccompDefault from '../../src/runtime/seccomp-default.json' with { type: 'json' };
import { busyboxRootfs, whyNoContainers } from './busybox.js';
import { hostConfigOf } from './host-config.js';

const cgroups = cgroupLayout();

for (const name of ['crun', 'runc']) {
  const why = whyNoContainers(name);
  describe.skipIf(why !== undefined)(`a container through ${name}${why ? ` (skipped: ${why})` : ''}`, () => {
    let directory: string;
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), 'gantry-launch-'));
      mkdirSync(join(directory, 'rootfs'));
      busyboxRootfs(join(directory, 'rootfs'));
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    const prepare = async (
      settings: ContainerSettings,
      hostConfig: Partial<HostConfig> = {},
    ): Promise<Launched & { readonly id: string; readonly runtime: OciRuntime }> => {
      const id = newContainerID();
      const place = join(directory, id.slice(0, 12));
      mkdirSync(place);
      for (const file of ['hostname', 'hosts', 'resolv.conf']) writeFileSync(join(place, file), `${file}\n`);
      const rootfs = join(directory, 'rootfs');
      const { spec } = bundle({
        id,
        rootfs,
        settings,
        hostConfig: hostConfigOf(hostConfig),
        user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' },
        mounts: [],
        networkFiles: {
          hostname: join(place, 'hostname'),
          hosts: join(place, 'hosts'),
          'resolv.conf': join(place, 'resolv.conf'),
        },
        defaultSeccomp: seccompDefault,
        host: {
          cgroups,
          bounding: boundingSet(readFileSync('/proc/self/status', 'utf8')),
          arch: arch(),
          kernel: release(),
          devices: hostDevices,
        },
      });
      const runtime = chooseRuntime({ forced: name, cgroups, stateDirectory: join(directory, 'state') });
      writeBundle(place, spec, runtime);
      const launched = await launch({
        runtime,
        id,
        bundle: place,
        rootfs,
        terminal: settings.Tty ?? false,
        openStdin: settings.OpenStdin ?? false,
        command: settings.Cmd?.[0] ?? '',
        cwd: settings.WorkingDir ?? '/',
      });
      return { ...launched, id, runtime };
    };

    const run = async (settings: ContainerSettings, hostConfig?: Partial<HostConfig>) => {
      const container = await prepare(settings, hostConfig);
      const output = Promise.all([text(container.stdout), container.stderr ? text(container.stderr) : '']);
      await container.start();
      const code = await container.exited;
      const [stdout, stderr] = await output;
      await container.remove();
      return { code, stdout, stderr };
    };
    const sh = (script: string, more: ContainerSettings = {}, hostConfig?: Partial<HostConfig>) =>
      run({ Cmd: ['sh', '-c', script], ...more }, hostConfig);

    it('gives output and exit code, and is pid 1', async () => {
      const result = await sh('echo $$; echo oops >&2; exit 3');
      expect(result).toEqual({ code: 3, stdout: '1\n', stderr: 'oops\n' });
    });

    it('has stdio that can be opened by name', async () => {
      expect((await sh('echo again > /dev/stdout')).stdout).toBe('again\n');
    });

    it('reads stdin when it is open, and has none when not', async () => {
      const container = await prepare({ Cmd: ['cat'], OpenStdin: true });
      const output = text(container.stdout);
      await container.start();
      container.stdin?.end('typed');
      expect(await container.exited).toBe(0);
      expect(await output).toBe('typed');
      await container.remove();
      expect(await run({ Cmd: ['cat'] })).toMatchObject({ code: 0, stdout: '' });
    });

    it.runIf(name === 'crun')('compiles the same seccomp profile once', async () => {
      const filter = async (hostConfig: Partial<HostConfig>) => {
        const container = await prepare({ Cmd: ['cat', '/proc/self/status'] }, hostConfig);
        const program = readFileSync(join(directory, 'state/crun', container.id, 'seccomp.bpf'));
        const config = readFileSync(join(directory, container.id.slice(0, 12), 'config.json'), 'utf8');
        const output = text(container.stdout);
        await container.start();
        await container.exited;
        await container.remove();
        expect(/Seccomp:\s+(\d)/.exec(await output)?.[1]).toBe('2');
        return {
          program,
          given: config.includes(`"run.oci.seccomp_bpf_data":"${program.toString('base64')}"`),
        };
      };
      rmSync(join(directory, 'state/crun-seccomp'), { recursive: true, force: true });
      const [first, second] = [await filter({}), await filter({})];
      expect(first.given).toBe(false);
      expect(second).toEqual({ program: first.program, given: true });
      const other = await filter({ CapAdd: ['SYS_ADMIN'] });
      expect(other.given).toBe(false);
      expect(other.program).not.toEqual(first.program);
    });

    it('tells 128 + n by signal n', async () => {
      const container = await prepare({ Cmd: ['sleep', '60'] });
      await container.start();
      container.kill(9);
      expect(await container.exited).toBe(137);
      await container.remove();
    });

    it('tells of a container that was killed before its start', async () => {
      const container = await prepare({ Cmd: ['true'] });
      container.kill(9);
      expect(await container.exited).toBe(137);
      await expect(container.start()).rejects.toMatchObject({ code: 'ERR_RUNTIME' });
    });

    it("ends what outlives its first process, where the pids are the host's", async () => {
      const container = await prepare(
        { Cmd: ['sh', '-c', 'sleep 600 < /dev/null > /dev/null 2>&1 & echo $!'] },
        { PidMode: 'host' },
      );
      const output = text(container.stdout);
      await container.start();
      expect(await container.exited).toBe(0);
      const pid = Number(await output);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      await container.remove();
      const left = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
      expect(left).not.toMatch(/\) [RSD] /); // at most a zombie
      expect(existsSync(join(directory, 'state', name, container.id))).toBe(false);
    });

    it.runIf(name === 'crun')('is forgotten where a kill left half of what crun knows', async () => {
      const container = await prepare({ Cmd: ['true'] });
      await container.start();
      await container.exited;
      const state = join(directory, 'state/crun', container.id);
      rmSync(join(state, 'status'));
      await deleteFromRuntime(container.runtime, container.id);
      expect(existsSync(state)).toBe(false);
      await container.remove();
    });

    it('is created, then running, as the runtime sees it', async () => {
      const state = () => {
        const [program, ...args] = [...container.runtime.command, 'state', container.id];
        return JSON.parse(execFileSync(program!, args, { encoding: 'utf8' })).status;
      };
      const container = await prepare({ Cmd: ['sleep', '60'] });
      expect(state()).toBe('created');
      await container.start();
      expect(state()).toBe('running');
      container.kill(9);
      await container.exited;
      await container.remove();
    });

    it.each([
      [
        'no-such-program',
        'ERR_COMMAND_NOT_FOUND',
        'exec: "no-such-program": executable file not found in $PATH',
      ],
      [
        '/bin/no-such',
        'ERR_COMMAND_NOT_FOUND',
        'exec: "/bin/no-such": stat /bin/no-such: no such file or directory',
      ],
      ['/etc/not-executable', 'ERR_COMMAND_NOT_EXECUTABLE', 'exec: "/etc/not-executable": permission denied'],
      ['/etc', 'ERR_COMMAND_NOT_EXECUTABLE', 'exec: "/etc": permission denied'],
    ])('refuses %s with %s', async (command, code, message) => {
      await expect(run({ Cmd: [command] })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
    });

    it('has a terminal of the size that is set, without one on our side', async () => {
      const container = await prepare({
        Cmd: ['sh', '-c', 'read x; stty size; tty; exit 4'],
        Tty: true,
        OpenStdin: true,
      });
      const output = text(container.stdout);
      await container.start();
      container.resize({ rows: 33, columns: 101 });
      container.stdin?.write('go\n');
      expect(await container.exited).toBe(4);
      expect(await output).toBe('go\r\n33 101\r\n/dev/pts/0\r\n');
      await container.remove();
    });

    it('limits memory and processes in its own cgroup, which goes with it', async () => {
      const container = await prepare({ Cmd: ['sleep', '60'] }, { Memory: 64 << 20, PidsLimit: 17 });
      await container.start();
      const file = (controller: string, v1: string, v2: string) =>
        join(
          cgroups.controllers.get(controller)!,
          'gantry',
          container.id,
          cgroups.version === 'v2' ? v2 : v1,
        );
      const memory = file('memory', 'memory.limit_in_bytes', 'memory.max');
      expect(readFileSync(memory, 'utf8').trim()).toBe(String(64 << 20));
      expect(readFileSync(file('pids', 'pids.max', 'pids.max'), 'utf8').trim()).toBe('17');
      container.kill(9);
      await container.exited;
      await container.remove();
      expect(() => readFileSync(memory)).toThrow('ENOENT');
    });

    it("has docker's capabilities, no more, and a seccomp filter", async () => {
      const status = (await sh('cat /proc/self/status')).stdout;
      expect(/CapEff:\s+(\w+)/.exec(status)?.[1]).toBe('00000000a80425fb');
      expect(/CapInh:\s+(\w+)/.exec(status)?.[1]).toBe('0000000000000000');
      expect(/Seccomp:\s+(\d)/.exec(status)?.[1]).toBe('2');
      const privileged = (await sh('cat /proc/self/status', {}, { Privileged: true })).stdout;
      expect(/Seccomp:\s+(\d)/.exec(privileged)?.[1]).toBe('0');
    });

    it('makes the working directory, and never on the host (CVE-2026-55686)', async () => {
      expect(await sh('pwd', { WorkingDir: '/new/place' })).toMatchObject({
        code: 0,
        stdout: '/new/place\n',
      });
      const outside = join(directory, 'outside');
      symlinkSync(outside, join(directory, 'rootfs/escape'));
      await expect(sh('pwd', { WorkingDir: '/escape/made' })).rejects.toMatchObject({
        code: 'ERR_COMMAND_NOT_EXECUTABLE',
      });
      expect(existsSync(outside)).toBe(false);
      rmSync(join(directory, 'rootfs/escape'));
    });
  });
}
