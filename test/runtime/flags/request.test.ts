import { describe, expect, it } from 'vitest';
import { createRequest, type FlagContext } from '../../../src/runtime/flags/request.js';
import type { RunFlags } from '../../../src/runtime/run-flags.js';

const files: Readonly<Record<string, string>> = {
  env: 'FILE=1\n',
  profile: '{"defaultAction":"SCMP_ACT_ALLOW"}',
};
const context: FlagContext = {
  env: { HERE: 'yes' },
  cwd: '/work',
  cpuCount: 4,
  readFile: (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('not there'), { code: 'ENOENT' });
    return text;
  },
};
const request = (flags: RunFlags, ...command: string[]) => createRequest(flags, 'redis', command, context);

describe('flags to a create request', () => {
  it("is Docker's body for `run -m 500M redis`", () => {
    const { config, hostConfig } = request({ memory: '500M' });
    expect(config).toMatchObject({
      Image: 'redis',
      Cmd: null,
      Entrypoint: null,
      Tty: false,
      OpenStdin: false,
    });
    expect(hostConfig).toMatchObject({
      Memory: 524288000,
      MemorySwap: 0,
      NetworkMode: 'none',
      AutoRemove: false,
    });
  });

  it('sorts volumes by kind', () => {
    const { config, hostConfig } = request({
      volume: ['./a:/a', 'data:/d:ro', '/anon'],
      tmpfs: ['/t:size=1m'],
    });
    expect(hostConfig.Binds).toEqual(['/work/a:/a', 'data:/d:ro']);
    expect(config.Volumes).toEqual({ '/anon': {} });
    expect(hostConfig.Tmpfs).toEqual({ '/t': 'size=1m' });
  });

  it("reads environment, entrypoint and the seccomp profile's text", () => {
    const { config, hostConfig } = request(
      {
        env: ['HERE', 'A=b'],
        envFile: ['env'],
        entrypoint: '',
        securityOpt: ['seccomp=profile', 'no-new-privileges'],
      },
      'x',
    );
    expect(config.Env).toEqual(['FILE=1', 'HERE=yes', 'A=b']);
    expect(config.Entrypoint).toEqual(['']);
    expect(hostConfig.SecurityOpt).toEqual([`seccomp=${files.profile}`, 'no-new-privileges']);
  });

  it.each<[RunFlags, string]>([
    [{ name: '-x' }, 'Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'],
    [{ name: '../../etc' }, 'Invalid container name (../../etc)'],
    [{ hostname: 'a b' }, 'invalid hostname format: a b'],
    [{ hostname: 'a'.repeat(64) }, 'invalid hostname format'],
    [{ capAdd: ['FLY'] }, 'invalid CapAdd: unknown capability: "CAP_FLY"'],
    [{ capDrop: ['cap_fly'] }, 'invalid CapDrop: unknown capability: "CAP_FLY"'],
    [{ network: 'a:web' }, 'network a:web not found'],
    [{ publish: ['x:80'] }, 'invalid hostPort: x'],
    [{ envFile: ['none'] }, 'open none: no such file or directory'],
    [{ stopSignal: 'SIGNOPE' }, 'invalid signal: SIGNOPE'],
    [{ addHost: ['x'] }, 'bad format for add-host: "x"'],
    [{ securityOpt: ['apparmor=x'] }, 'invalid --security-opt "apparmor=x"'],
  ])('refuses %j', (flags, message) => expect(() => request(flags)).toThrow(message));

  it('is on the default network where no flag names one', () => {
    const mode = (defaultNetwork?: string) =>
      createRequest({}, 'redis', [], { ...context, ...(defaultNetwork ? { defaultNetwork } : {}) });
    expect(mode().hostConfig.NetworkMode).toBe('none');
    expect(mode('bridge')).toMatchObject({
      hostConfig: { NetworkMode: 'bridge' },
      networkingConfig: { EndpointsConfig: { bridge: {} } },
    });
  });

  it('keeps ports in HostConfig and exposes them', () => {
    const { hostConfig, config } = request({ publish: ['8080:80'], expose: ['90/udp'], publishAll: true });
    expect(hostConfig).toMatchObject({
      PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
      PublishAllPorts: true,
    });
    expect(config.ExposedPorts).toEqual({ '80/tcp': {}, '90/udp': {} });
  });
});

describe("the rest of docker's flags", () => {
  it('are kept under its fields, with its defaults where nothing is given', () => {
    expect(request({}).hostConfig).toMatchObject({
      Dns: [],
      DnsSearch: [],
      DnsOptions: [],
      ExtraHosts: [],
      Devices: [],
      DeviceCgroupRules: [],
      Sysctls: {},
      PidMode: '',
      IpcMode: 'private',
      UTSMode: '',
      CgroupnsMode: '',
      UsernsMode: '',
      OomKillDisable: false,
      OomScoreAdj: 0,
      MemorySwappiness: null,
      CpuPeriod: 0,
      CpuQuota: 0,
      BlkioWeight: 0,
      BlkioDeviceReadBps: [],
    });
    const { config, hostConfig } = request({
      domainname: 'example.org',
      label: ['a=b'],
      labelFile: ['env'],
      annotation: ['c=d'],
      addHost: ['db=[fd00::1]', 'up:host-gateway'],
      dns: ['192.0.2.1'],
      dnsSearch: ['.', 'example.org'],
      dnsOption: ['ndots:2'],
      device: ['/dev/fuse', '/dev/fuse:r', '/dev/fuse:/dev/own', '/dev/fuse:/dev/own:rw'],
      deviceCgroupRule: ['c 42:* rmw'],
      sysctl: ['net.ipv4.ip_forward=1', 'kernel.sem=1 2 3 4'],
      pid: 'host',
      ipc: 'none',
      uts: '',
      userns: 'host',
      cgroupns: 'private',
      oomScoreAdj: '-5',
      oomKillDisable: true,
      memorySwappiness: '0',
      cpuPeriod: '50000',
      cpuQuota: '-1',
      blkioWeight: '300',
      blkioWeightDevice: ['/dev/vda:200'],
      deviceReadBps: ['/dev/vda:2mb'],
      deviceWriteBps: ['/dev/vda:10'],
      deviceReadIops: ['/dev/vda:100'],
      deviceWriteIops: ['/dev/vda:200'],
      volumesFrom: ['db:ro'],
      cidfile: 'id',
      volatile: true,
      securityOpt: ['seccomp:profile', 'systempaths=unconfined', 'label=disable', 'no-new-privileges:true'],
    });
    expect(config).toMatchObject({ Domainname: 'example.org', Labels: { FILE: '1', a: 'b' } });
    expect(hostConfig).toMatchObject({
      Annotations: { c: 'd' },
      ExtraHosts: ['db:fd00::1', 'up:host-gateway'],
      Dns: ['192.0.2.1'],
      DnsSearch: ['.', 'example.org'],
      DnsOptions: ['ndots:2'],
      Devices: [
        { PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'rwm' },
        { PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'r' },
        { PathOnHost: '/dev/fuse', PathInContainer: '/dev/own', CgroupPermissions: 'rwm' },
        { PathOnHost: '/dev/fuse', PathInContainer: '/dev/own', CgroupPermissions: 'rw' },
      ],
      DeviceCgroupRules: ['c 42:* rmw'],
      Sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.sem': '1 2 3 4' },
      PidMode: 'host',
      IpcMode: 'none',
      UTSMode: '',
      UsernsMode: 'host',
      CgroupnsMode: 'private',
      OomScoreAdj: -5,
      OomKillDisable: true,
      MemorySwappiness: 0,
      CpuPeriod: 50000,
      CpuQuota: -1,
      BlkioWeight: 300,
      BlkioWeightDevice: [{ Path: '/dev/vda', Weight: 200 }],
      BlkioDeviceReadBps: [{ Path: '/dev/vda', Rate: 2 * 1024 * 1024 }],
      BlkioDeviceWriteBps: [{ Path: '/dev/vda', Rate: 10 }],
      BlkioDeviceReadIOps: [{ Path: '/dev/vda', Rate: 100 }],
      BlkioDeviceWriteIOps: [{ Path: '/dev/vda', Rate: 200 }],
      VolumesFrom: ['db:ro'],
      ContainerIDFile: '/work/id',
      Volatile: true,
      SecurityOpt: [`seccomp=${files.profile}`, 'label=disable', 'no-new-privileges:true'],
      MaskedPaths: [],
      ReadonlyPaths: [],
    });
  });

  it.each<[RunFlags, string]>([
    [{ addHost: ['a:b'] }, 'invalid IP address in add-host: "b"'],
    [{ dns: ['x'] }, 'invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x'],
    [{ dnsSearch: ['a_b/c'] }, 'a_b/c is not a valid domain'],
    [{ device: ['fuse'] }, 'bad format for path: fuse'],
    [{ device: ['/dev/a:/dev/b:rx'] }, 'invalid device mode: rx'],
    [{ device: ['/dev/a:/dev/b:rr'] }, 'invalid device mode: rr'],
    [{ device: ['/a:/b:r:w'] }, 'invalid device specification: /a:/b:r:w'],
    [{ deviceCgroupRule: ['x'] }, "invalid device cgroup format 'x'"],
    [{ sysctl: ['a'] }, "sysctl 'a' is not allowed"],
    [{ sysctl: ['kernel.panic=1'] }, "sysctl 'kernel.panic=1' is not allowed"],
    [{ pid: 'other' }, '--pid: invalid PID mode'],
    [{ pid: 'container:x' }, '--pid container:x: expected host'],
    [{ ipc: 'shareable' }, '--ipc shareable: expected private or none or host'],
    [{ uts: 'x' }, '--uts: invalid UTS mode'],
    [{ uts: 'host', hostname: 'x' }, 'conflicting options: hostname and the UTS mode'],
    [{ userns: 'remap' }, '--userns: invalid USER mode'],
    [{ cgroupns: 'x' }, '--cgroupns: invalid CGROUP mode'],
    [{ oomScoreAdj: '1001' }, 'Invalid value 1001, range for oom score adj is [-1000, 1000]'],
    [{ memorySwappiness: '200' }, 'invalid value: 200. Valid memory swappiness range is 0-100'],
    [{ memorySwappiness: '-2' }, 'invalid value: -2. Valid memory swappiness range is 0-100'],
    [{ cpus: '1', cpuQuota: '5000' }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ cpus: '1', cpuPeriod: '5000' }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ cpuPeriod: '999' }, 'CPU cfs period can not be less than 1ms'],
    [{ cpuQuota: '999' }, 'CPU cfs quota can not be less than 1ms'],
    [{ blkioWeight: '5' }, 'Range of blkio weight is from 10 to 1000'],
    [{ blkioWeightDevice: ['x'] }, 'bad format: x'],
    [{ blkioWeightDevice: ['/dev/a:5'] }, 'invalid weight for device: /dev/a:5'],
    [{ deviceReadBps: ['a:1m'] }, 'bad format for device path: a:1m'],
    [
      { deviceReadBps: ['/dev/a:lots'] },
      'invalid rate for device: /dev/a:lots. The correct format is <device-path>:<number>[<unit>]',
    ],
    [{ deviceWriteIops: ['/dev/a:1k'] }, 'invalid rate for device: /dev/a:1k'],
    [{ securityOpt: ['no-new-privileges:maybe'] }, 'invalid --security-opt "no-new-privileges:maybe"'],
    [{ volumesFrom: ['a:b:c'] }, 'invalid volumes-from specification: a:b:c'],
    [{ volumesFrom: ['a:x'] }, 'invalid mode for volumes-from: x'],
    [{ link: ['db'] }, '--link is not supported'],
    [{ gpus: 'all' }, '--gpus is not supported'],
  ])('refuses %j', (flags, message) => expect(() => request(flags)).toThrow(message));
});
