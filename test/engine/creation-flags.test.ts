/** Real containers with many flags at once, looked at from inside. */
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findContainer, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { inspectContainer } from '../../src/engine/inspect-container.js';
import { runContainer, startContainer } from '../../src/engine/run.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

for (const runtime of ['crun', 'runc']) {
  const why = whyNoContainers(runtime);
  describe.skipIf(why !== undefined)(`flags through ${runtime}${why ? ` (skipped: ${why})` : ''}`, () => {
    let directory: ReturnType<typeof temporaryDirectory>;
    let store: Store;
    beforeAll(() => {
      directory = temporaryDirectory();
      store = openStore(join(directory.path, 'root'));
    });
    afterAll(() => {
      rmSync(runDirectory(store.root), { recursive: true, force: true });
      directory.remove();
    });

    const request = (script: string, flags: RunFlags) =>
      createRequest({ network: 'none', ...flags }, 'busybox', ['sh', '-c', script], {
        env: {},
        cwd: directory.path,
        cpuCount: 1,
        readFile: (path: string) => readFileSync(path, 'utf8'),
      });
    const streams = () => {
      const stdout = new PassThrough();
      const stderr = new PassThrough();
      const warnings: string[] = [];
      const onWarning = (warning: string) => warnings.push(warning);
      const stdin = Readable.from(['']);
      const read = Promise.all([text(stdout), text(stderr)]);
      return {
        options: { stdin, stdout, stderr, runtime, signalProxy: false, onWarning },
        output: async () => {
          stdout.end();
          stderr.end();
          const [out, err] = await read;
          return { lines: out.trimEnd().split('\n'), err, warnings };
        },
      };
    };
    const run = async (script: string, flags: RunFlags) => {
      const { options, output } = streams();
      const code = await runContainer(
        store,
        await busyboxImage(store),
        request(script, { rm: true, ...flags }),
        options,
      );
      return { code, ...(await output()) };
    };
    const cgroupFile = (controller: string, v1: string, v2: string): string => {
      const { version } = cgroupLayout();
      return version === 'v2' ? `/sys/fs/cgroup/${v2}` : `/sys/fs/cgroup/${controller}/${v1}`;
    };

    it('what was asked for is what is inside', async () => {
      const script = [
        'hostname',
        'cat /proc/sys/kernel/domainname',
        'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax',
        'cat /proc/sys/net/ipv4/ip_unprivileged_port_start',
        'ulimit -n',
        'cat /proc/self/oom_score_adj',
        "df -k /dev/shm | awk 'NR==2{print $2}'",
        'ls -l /dev/own | cut -c1',
        'head -c 4 /dev/own | wc -c',
        'grep NoNewPrivs /proc/self/status',
        'grep Seccomp: /proc/self/status',
        'touch /x 2>&1',
        'touch /scratch/x && echo scratch',
        `cat ${cgroupFile('cpu', 'cpu.cfs_quota_us', 'cpu.max')}`,
        'cat /etc/resolv.conf',
        'cat /etc/hosts | grep db',
      ].join('; ');
      const { lines, err, warnings } = await run(script, {
        hostname: 'box',
        domainname: 'example.org',
        sysctl: ['net.ipv4.ip_forward=1', 'kernel.msgmax=4096'],
        ulimit: ['nofile=321'],
        oomScoreAdj: '123',
        shmSize: '3m',
        device: ['/dev/zero:/dev/own:r'],
        securityOpt: ['no-new-privileges:true', 'seccomp=unconfined'],
        readOnly: true,
        tmpfs: ['/scratch'],
        cpuPeriod: '50000',
        cpuQuota: '25000',
        dns: ['192.0.2.1', '192.0.2.2'],
        dnsSearch: ['example.org', 'example.net'],
        dnsOption: ['ndots:2'],
        addHost: ['db:192.0.2.9'],
      });
      expect(err).toBe('');
      expect(warnings).toEqual([]);
      expect(lines).toEqual([
        'box',
        'example.org',
        '1',
        '4096',
        '0',
        '321',
        '123',
        '3072',
        'c',
        '4',
        'NoNewPrivs:\t1',
        'Seccomp:\t0',
        'touch: /x: Read-only file system',
        'scratch',
        expect.stringMatching(/^25000( 50000)?$/),
        'nameserver 192.0.2.1',
        'nameserver 192.0.2.2',
        'search example.org example.net',
        'options ndots:2',
        '192.0.2.9\tdb',
      ]);
    });

    it("a device's permissions are those that were given, a rule alone gives no node", async () => {
      const { lines } = await run(
        'echo > /dev/own; cat /dev/own >/dev/null && echo read; mknod /dev/rule c 7 128; (: < /dev/rule) 2>&1 | grep -c permitted; ls /dev/rule',
        { device: ['/dev/null:/dev/own:r'], deviceCgroupRule: ['c 7:* rwm'], capAdd: ['MKNOD'] },
      );
      expect(lines).toContain('read');
      expect(lines).toContain('0'); // no "Operation not permitted"
      expect(lines).toContain('/dev/rule');
    });

    it("shares the host's namespaces where asked, and no other", async () => {
      const names = ['pid', 'ipc', 'uts', 'mnt'];
      const host = names.map((name) => `${name} ${readlinkSync(`/proc/self/ns/${name}`)}`);
      const script = `for n in ${names.join(' ')}; do echo $n $(readlink /proc/self/ns/$n); done; hostname; ls -d /dev/shm`;
      const shared = await run(script, { pid: 'host', ipc: 'host', uts: 'host' });
      expect(shared.lines.slice(0, 3)).toEqual(host.slice(0, 3));
      expect(shared.lines[3]).not.toBe(host[3]);
      expect(shared.lines.slice(4)).toEqual([hostname(), '/dev/shm']);
      const own = await run(script, { ipc: 'none' });
      for (const [at, line] of host.entries()) expect(own.lines[at]).not.toBe(line);
      expect(own.lines).not.toContain('/dev/shm');
    });

    it('limits block I/O as far as the host can', async () => {
      const device = ['/dev/vda', '/dev/sda', '/dev/nvme0n1', '/dev/loop0'].find((path) => existsSync(path));
      const layout = cgroupLayout();
      if (device === undefined || layout.version === 'v2' || !layout.controllers.has('blkio')) return;
      const script =
        'cat /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device /sys/fs/cgroup/blkio/blkio.throttle.write_iops_device; cat /sys/fs/cgroup/blkio/blkio.weight 2>/dev/null';
      const { lines, warnings } = await run(script, {
        deviceReadBps: [`${device}:2mb`],
        deviceWriteIops: [`${device}:77`],
        blkioWeight: '300',
      });
      expect(lines.slice(0, 2)).toEqual([
        expect.stringMatching(/^\d+:\d+ 2097152$/),
        expect.stringMatching(/^\d+:\d+ 77$/),
      ]);
      if (layout.blockWeight) expect(lines.at(-1)).toContain('300');
      else expect(warnings).toEqual([expect.stringContaining('Weight discarded')]);
    });

    it('has a reaper with --init where the host has one', async () => {
      const { code, lines } = await run('cat /proc/1/comm', { init: true });
      if (code === 0) expect(lines[0]).toMatch(/init/);
    });

    it('--volumes-from: the same files, and the owner keeps what is its own', async () => {
      const image = await busyboxImage(store);
      mkdirSync(join(directory.path, 'bound'), { recursive: true });
      const owner = await createContainer(
        store,
        image,
        request('echo mine > /data/f', { volume: ['/data', `${directory.path}/bound:/bound`] }),
      );
      await startContainer(store, owner.id, streams().options);
      const reader = await run('cat /data/f; echo x > /data/f; ls -d /bound', {
        volumesFrom: [`${owner.name}:ro`],
      });
      expect(reader.lines).toEqual(['mine', '/bound']);
      expect(reader.err).toContain('Read-only file system');
      const last = await createContainer(store, image, request('cat /data/f', { volumesFrom: [owner.name] }));
      await removeContainer(store, owner.id, { volumes: true });
      const { options, output } = streams();
      await startContainer(store, last.id, options);
      expect((await output()).lines).toEqual(['mine']);
      await removeContainer(store, last.id, { volumes: true });
      await expect(run('true', { volumesFrom: ['nobody'] })).rejects.toThrow('No such container: nobody');
    });

    it('--cidfile holds the id, and is never written over', async () => {
      const path = join(directory.path, `cid-${runtime}`);
      const image = await busyboxImage(store);
      const { id } = await createContainer(store, image, request('true', { cidfile: `cid-${runtime}` }));
      expect(readFileSync(path, 'utf8')).toBe(id);
      await expect(createContainer(store, image, request('true', { cidfile: path }))).rejects.toThrow(
        `container ID file found, make sure the other container isn't running or delete ${path}`,
      );
      const other = join(directory.path, 'abandoned');
      await expect(
        createContainer(store, image, request('true', { cidfile: other, network: 'nowhere' })),
      ).rejects.toThrow('network nowhere not found');
      expect(existsSync(other)).toBe(false);
      await removeContainer(store, id);
    });

    it('--volatile is for every start of a container, and inspect tells it all', async () => {
      const image = await busyboxImage(store);
      const profile = join(directory.path, 'profile.json');
      writeFileSync(profile, '{"defaultAction":"SCMP_ACT_ALLOW"}');
      const script = 'grep "^overlay / .*volatile" /proc/mounts | cut -c1-9; cat /kept; echo kept > /kept';
      const flags = {
        volatile: true,
        label: ['a=b'],
        annotation: ['c=d'],
        securityOpt: [`seccomp=${profile}`],
      };
      const { id } = await createContainer(store, image, request(script, flags));
      for (const before of ['', 'kept']) {
        const { options, output } = streams();
        await startContainer(store, id, options);
        const { lines } = await output();
        expect(lines).toEqual(['overlay /', ...(before ? [before] : [])]);
      }
      expect(await inspectContainer(store, id)).toMatchObject({
        Config: { Labels: { a: 'b' } },
        HostConfig: {
          Volatile: true,
          Annotations: { c: 'd' },
          SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'],
          IpcMode: 'private',
          Devices: [],
        },
      });
      expect((await findContainer(store, id)).State.ExitCode).toBe(0);
      await removeContainer(store, id);
    });

    it('refuses what would reach the host, and a device that is not there', async () => {
      await expect(run('true', { network: 'host', sysctl: ['net.ipv4.ip_forward=1'] })).rejects.toThrow(
        "sysctl 'net.ipv4.ip_forward' is not allowed in the host's network namespace",
      );
      await expect(run('true', { device: ['/dev/nowhere'] })).rejects.toThrow(
        'custom device "/dev/nowhere": no such file or directory',
      );
      await expect(run('true', { device: ['/etc/hosts'] })).rejects.toThrow('not a device node');
      await expect(run('true', { addHost: ['x:host-gateway'] })).rejects.toThrow('does not reach the host');
    });
  });
}
