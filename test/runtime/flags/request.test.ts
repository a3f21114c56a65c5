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
    [{ network: 'container:web' }, 'network container:web not found'],
    [{ publish: ['x:80'] }, 'invalid hostPort: x'],
    [{ envFile: ['none'] }, 'open none: no such file or directory'],
    [{ stopSignal: 'SIGNOPE' }, 'invalid signal: SIGNOPE'],
    [{ addHost: ['x'] }, 'bad format for add-host: "x"'],
    [{ securityOpt: ['apparmor=x'] }, 'invalid --security-opt "apparmor=x"'],
  ])('refuses %j', (flags, message) => expect(() => request(flags)).toThrow(message));

  it.each([
    [{}, 'none'],
    [{ publish: ['80'] }, 'bridge'],
    [{ publishAll: true }, 'bridge'],
    [{ publish: ['80'], network: 'host' }, 'host'],
    [{ network: 'default' }, 'bridge'],
    [{ network: 'backend' }, 'backend'],
  ])('%j is on network %s', (flags, mode) => expect(request(flags).hostConfig.NetworkMode).toBe(mode));

  it('keeps ports in HostConfig and exposes them', () => {
    const { hostConfig, config } = request({ publish: ['8080:80'], expose: ['90/udp'], publishAll: true });
    expect(hostConfig).toMatchObject({
      PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
      PublishAllPorts: true,
    });
    expect(config.ExposedPorts).toEqual({ '80/tcp': {}, '90/udp': {} });
  });
});
