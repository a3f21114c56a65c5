import { describe, expect, it } from 'vitest';
import { type BundleInput, bundle, specText } from '../../src/runtime/bundle.js';
import seccompDefault from '../../src/runtime/seccomp-default.json' with { type: 'json' };
import { hostConfigOf } from './host-config.js';

const id = 'ab'.repeat(32);
const all = ['cpu', 'cpuset', 'memory', 'pids'];
const input = (own: Partial<BundleInput> = {}): BundleInput => ({
  id,
  rootfs: '/store/merged',
  settings: { Cmd: ['redis-server'], Env: ['A=1'] },
  hostConfig: hostConfigOf(),
  user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' },
  mounts: [],
  networkFiles: { hostname: '/c/hostname', hosts: '/c/hosts', 'resolv.conf': '/c/resolv.conf' },
  defaultSeccomp: seccompDefault,
  host: {
    cgroups: {
      version: 'v2',
      controllers: new Map(all.map((name) => [name, '/sys/fs/cgroup'])),
      swapLimit: true,
      blockWeight: true,
    },
    bounding: (1n << 41n) - 1n,
    arch: 'x64',
    kernel: '6.1.0',
    devices: (path = '/dev/kvm') => [
      { path, type: 'c', major: 10, minor: 232, fileMode: 0o660, uid: 0, gid: 36 },
    ],
  },
  ...own,
});
const spec = (own: Partial<BundleInput> = {}) => bundle(input(own)).spec;
const mountAt = (own: Partial<BundleInput>, at: string) =>
  spec(own).mounts.find((mount) => mount.destination === at);

describe('the bundle', () => {
  it("has Docker's defaults", () => {
    const { process, linux, root, hostname, mounts } = spec();
    expect(root).toEqual({ path: '/store/merged', readonly: false });
    expect(hostname).toBe(id.slice(0, 12));
    expect(process.args).toEqual(['redis-server']);
    expect(process.cwd).toBe('/');
    expect(process.env).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      `HOSTNAME=${id.slice(0, 12)}`,
      'A=1',
      'HOME=/root',
    ]);
    expect(process.rlimits).toEqual([]);
    expect(process.noNewPrivileges).toBe(false);
    expect(linux.cgroupsPath).toBe(`/gantry/${id}`);
    expect(linux.namespaces.map(({ type }) => type)).toEqual([
      'mount',
      'uts',
      'pid',
      'ipc',
      'network',
      'cgroup',
    ]);
    expect(linux.maskedPaths).toContain('/proc/kcore');
    expect(linux.readonlyPaths).toContain('/proc/sys');
    expect(mounts.map(({ destination }) => destination)).toEqual([
      '/proc',
      '/dev',
      '/dev/pts',
      '/sys',
      '/sys/fs/cgroup',
      '/dev/mqueue',
      '/dev/shm',
      '/etc/hostname',
      '/etc/hosts',
      '/etc/resolv.conf',
    ]);
    expect(linux.resources).toMatchObject({
      devices: expect.arrayContaining([{ allow: false, access: 'rwm' }]),
    });
    expect(linux.resources.memory).toBeUndefined();
  });

  it('never has inheritable or ambient capabilities, and effective ones only for root (CVE-2022-24769)', () => {
    const root = spec().process.capabilities;
    expect(root.effective).toEqual(root.bounding);
    const user = spec({ user: { uid: 999, gid: 999, additionalGids: [999], home: '/data' } }).process
      .capabilities;
    expect(user.bounding).toEqual(root.bounding);
    for (const set of [
      user.effective,
      user.permitted,
      user.inheritable,
      user.ambient,
      root.inheritable,
      root.ambient,
    ]) {
      expect(set).toEqual([]);
    }
  });

  it('opens everything for --privileged, but nothing else does', () => {
    const { linux, process, mounts } = spec({ hostConfig: hostConfigOf({ Privileged: true }) });
    expect(linux.maskedPaths).toEqual([]);
    expect(linux.readonlyPaths).toEqual([]);
    expect(linux.seccomp).toBeUndefined();
    expect(linux.devices).toHaveLength(1);
    expect(linux.resources.devices).toEqual([{ allow: true, access: 'rwm' }]);
    expect(process.capabilities.effective).toHaveLength(41);
    expect(mounts.find(({ destination }) => destination === '/sys')?.options).toContain('rw');
    const added = spec({ hostConfig: hostConfigOf({ CapAdd: ['ALL'] }) });
    expect(added.linux.seccomp).toBeDefined();
    expect(added.linux.devices).toEqual([]);
  });

  it("puts limits by Docker's rules", () => {
    const limits = { Memory: 524288000, NanoCpus: 1.5e9, CpusetCpus: '0-1', PidsLimit: 100 };
    expect(spec({ hostConfig: hostConfigOf(limits) }).linux.resources).toMatchObject({
      memory: { limit: 524288000, swap: 1048576000 },
      cpu: { quota: 150000, period: 100000, cpus: '0-1' },
      pids: { limit: 100 },
    });
    const swap = (MemorySwap: number) =>
      spec({ hostConfig: hostConfigOf({ Memory: 100, MemorySwap }) }).linux.resources.memory?.swap;
    expect(swap(-1)).toBe(-1);
    expect(swap(100)).toBe(100);
  });

  it('says what the host cannot limit, and leaves it out', () => {
    const cgroups = {
      version: 'v1',
      controllers: new Map([['memory', '/m']]),
      swapLimit: false,
      blockWeight: true,
    } as const;
    const hostConfig = hostConfigOf({ Memory: 1 << 30, PidsLimit: 5 });
    const { spec: made, warnings } = bundle(input({ hostConfig, host: { ...input().host, cgroups } }));
    expect(made.linux.resources.memory).toEqual({ limit: 1 << 30 });
    expect(made.linux.resources.pids).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringContaining('does not support pids limit'),
      expect.stringContaining('Memory limited without swap'),
    ]);
    expect(made.linux.namespaces.map(({ type }) => type)).not.toContain('cgroup');
  });

  it("keeps the host's network when asked", () => {
    const types = spec({ hostConfig: hostConfigOf({ NetworkMode: 'host' }) }).linux.namespaces.map(
      ({ type }) => type,
    );
    expect(types).not.toContain('network');
  });

  it("puts the user's mounts after and in place of ours, parents first", () => {
    const bind = (destination: string) => ({
      destination,
      type: 'bind',
      source: '/h',
      options: ['rbind', 'rprivate'],
    });
    const own = { mounts: [bind('/a/b'), bind('/etc/hosts'), bind('/a')] };
    expect(
      spec(own)
        .mounts.slice(-3)
        .map(({ destination }) => destination),
    ).toEqual(['/a', '/a/b', '/etc/hosts']);
    expect(mountAt(own, '/etc/hosts')?.source).toBe('/h');
    expect(mountAt({ hostConfig: hostConfigOf({ ShmSize: 1024 }) }, '/dev/shm')?.options).toContain(
      'size=1024',
    );
  });

  it('has a terminal of a size, a reaper, rlimits and no new privileges when asked', () => {
    const hostConfig = hostConfigOf({
      Ulimits: [{ Name: 'core', Soft: 0, Hard: -1 }],
      SecurityOpt: ['no-new-privileges'],
    });
    const made = spec({
      hostConfig,
      init: '/usr/bin/docker-init',
      settings: { Cmd: ['sh'], Tty: true, WorkingDir: '/w' },
      consoleSize: { rows: 24, columns: 80 },
    });
    expect(made.process).toMatchObject({
      terminal: true,
      consoleSize: { height: 24, width: 80 },
      args: ['/sbin/docker-init', '--', 'sh'],
      cwd: '/w',
      noNewPrivileges: true,
    });
    expect(specText(made)).toContain('{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}');
    expect(made.mounts.some(({ destination }) => destination === '/sbin/docker-init')).toBe(true);
  });
});

describe('devices, namespaces, limits of I/O', () => {
  it('adds a device under its path inside, with its permissions', () => {
    const own = {
      Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/own', CgroupPermissions: 'rw' }],
      DeviceCgroupRules: ['c 42:* rmw'],
    };
    const { linux } = spec({ hostConfig: hostConfigOf(own) });
    expect(linux.devices).toEqual([expect.objectContaining({ path: '/dev/own', major: 10, minor: 232 })]);
    expect(linux.resources.devices.slice(-2)).toEqual([
      { allow: true, type: 'c', major: 10, minor: 232, access: 'rw' },
      { allow: true, type: 'c', major: 42, access: 'rmw' },
    ]);
    const all = spec({ hostConfig: hostConfigOf({ ...own, Privileged: true }) }).linux;
    expect(all.devices.map(({ path }) => path)).toEqual(['/dev/kvm', '/dev/own']);
    expect(all.resources.devices).toEqual([{ allow: true, access: 'rwm' }]);
  });

  const types = (own: Parameters<typeof hostConfigOf>[0]) =>
    spec({ hostConfig: hostConfigOf(own) }).linux.namespaces.map(({ type }) => type);
  it.each([
    [{ PidMode: 'host' }, ['mount', 'uts', 'ipc', 'network', 'cgroup']],
    [{ IpcMode: 'host' }, ['mount', 'uts', 'pid', 'network', 'cgroup']],
    [{ UTSMode: 'host' }, ['mount', 'pid', 'ipc', 'network', 'cgroup']],
    [{ CgroupnsMode: 'host' }, ['mount', 'uts', 'pid', 'ipc', 'network']],
  ])('%j leaves one namespace out', (own, expected) => expect(types(own)).toEqual(expected));

  it("has no hostname in the host's UTS namespace, and its /dev/shm in its IPC namespace", () => {
    expect(spec({ hostConfig: hostConfigOf({ UTSMode: 'host' }) })).not.toHaveProperty('hostname');
    expect(mountAt({ hostConfig: hostConfigOf({ IpcMode: 'host' }) }, '/dev/shm')).toMatchObject({
      type: 'bind',
      source: '/dev/shm',
    });
    expect(mountAt({ hostConfig: hostConfigOf({ IpcMode: 'none' }) }, '/dev/shm')).toBeUndefined();
  });

  it('opens low ports and pings in a network of its own, and keeps what was asked for', () => {
    const sysctl = (own: Parameters<typeof hostConfigOf>[0]) =>
      spec({ hostConfig: hostConfigOf(own), settings: { Cmd: ['x'], Domainname: 'd' } }).linux.sysctl;
    expect(sysctl({ Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '80' } })).toEqual({
      'net.ipv4.ip_unprivileged_port_start': '80',
      'net.ipv4.ping_group_range': '0 2147483647',
      'kernel.domainname': 'd',
    });
    expect(sysctl({ NetworkMode: 'host' })).toEqual({ 'kernel.domainname': 'd' });
    expect(sysctl({ NetworkMode: 'container:db' })).toEqual({ 'kernel.domainname': 'd' });
  });

  it('limits block I/O by the numbers of a device, and tells what the host cannot', () => {
    const hostConfig = hostConfigOf({
      BlkioWeight: 300,
      BlkioWeightDevice: [{ Path: '/dev/vda', Weight: 200 }],
      BlkioDeviceReadBps: [{ Path: '/dev/vda', Rate: 1000 }],
    });
    const throttleReadBpsDevice = [{ major: 10, minor: 232, rate: 1000 }];
    const made = (controller: string, blockWeight: boolean) => {
      const cgroups = {
        version: 'v1',
        controllers: new Map([[controller, '/c']]),
        swapLimit: false,
        blockWeight,
      } as const;
      const { spec, warnings } = bundle(input({ hostConfig, host: { ...input().host, cgroups } }));
      return { blockIO: spec.linux.resources.blockIO, warnings };
    };
    expect(made('blkio', true)).toEqual({
      blockIO: {
        weight: 300,
        weightDevice: [{ major: 10, minor: 232, weight: 200 }],
        throttleReadBpsDevice,
      },
      warnings: [],
    });
    expect(made('blkio', false)).toEqual({
      blockIO: { throttleReadBpsDevice },
      warnings: [expect.stringContaining('Weight discarded')],
    });
    expect(made('memory', false)).toEqual({
      warnings: [expect.stringContaining('Block I/O limits discarded')],
    });
  });

  it('discards on cgroup v2 what only v1 has', () => {
    const hostConfig = hostConfigOf({ Memory: 1 << 30, MemorySwappiness: 10, OomKillDisable: true });
    const two = bundle(input({ hostConfig }));
    expect(two.spec.linux.resources.memory).toEqual({ limit: 1 << 30, swap: 2 ** 31 });
    expect(two.warnings).toHaveLength(2);
    const cgroups = {
      version: 'v1',
      controllers: new Map([['memory', '/m']]),
      swapLimit: true,
      blockWeight: false,
    } as const;
    expect(
      bundle(input({ hostConfig, host: { ...input().host, cgroups } })).spec.linux.resources.memory,
    ).toMatchObject({ swappiness: 10, disableOOMKiller: true });
  });

  it('takes a period and a quota of CPU', () => {
    const own = hostConfigOf({ CpuPeriod: 50000, CpuQuota: 25000 });
    expect(spec({ hostConfig: own }).linux.resources.cpu).toEqual({ period: 50000, quota: 25000 });
  });
});

describe('seccomp', () => {
  const filter = (own: Partial<Parameters<typeof hostConfigOf>[0]> = {}) =>
    spec({ hostConfig: hostConfigOf(own) }).linux.seccomp;
  const allowed = (own = {}) =>
    new Set(
      filter(own)!
        .syscalls.filter(({ action, args }) => action === 'SCMP_ACT_ALLOW' && !args)
        .flatMap(({ names }) => names),
    );

  it('closes mounts, namespaces and keys, and opens them with CAP_SYS_ADMIN', () => {
    const names = [
      'mount',
      'umount2',
      'setns',
      'unshare',
      'bpf',
      'clone',
      'clone3',
      'open_tree',
      'move_mount',
    ];
    for (const name of [...names, 'add_key', 'io_uring_setup']) expect(allowed().has(name), name).toBe(false);
    for (const name of ['read', 'openat2', 'futex', 'execve', 'faccessat2', 'epoll_pwait2', 'chroot']) {
      expect(allowed().has(name), name).toBe(true);
    }
    const admin = allowed({ CapAdd: ['SYS_ADMIN'] });
    for (const name of names) expect(admin.has(name), name).toBe(true);
    expect(admin.has('add_key')).toBe(false);
  });

  it('lets clone pass without namespace flags, and clone3 look unknown', () => {
    const rules = filter()!.syscalls;
    expect(rules.find(({ names, args }) => names.includes('clone') && args)?.args).toEqual([
      { index: 0, value: 0x7e020000, op: 'SCMP_CMP_MASKED_EQ' },
    ]);
    expect(rules.find(({ names }) => names[0] === 'clone3')).toMatchObject({
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 38,
    });
    expect(filter()!.architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  });

  it("takes unconfined and a profile of the user's own", () => {
    expect(filter({ SecurityOpt: ['seccomp=unconfined'] })).toBeUndefined();
    const own = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        { names: ['a'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: '6.2' } },
        { names: ['b'], action: 'SCMP_ACT_ERRNO', excludes: { arches: ['amd64'] } },
        { name: 'c', action: 'SCMP_ACT_ERRNO', includes: { caps: ['CAP_CHOWN'], arches: ['amd64'] } },
      ],
    };
    expect(filter({ SecurityOpt: [`seccomp=${JSON.stringify(own)}`] })).toMatchObject({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['c'] }],
    });
    expect(() => filter({ SecurityOpt: ['seccomp={"x":1}'] })).toThrow('decoding seccomp profile failed');
  });
});
