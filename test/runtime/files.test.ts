import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBeneath } from '../../src/runtime/beneath.js';
import { hostDevices } from '../../src/runtime/devices.js';
import { checkContainerName, generateName } from '../../src/runtime/names.js';
import { networkTexts, writeNetworkFiles } from '../../src/runtime/network-files.js';
import { identify, isAlive } from '../../src/runtime/process-identity.js';
import { parseSignal } from '../../src/runtime/signals.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-files-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('files of an image', () => {
  it('are read inside its root, links included (CVE-2024-9676)', () => {
    const root = join(directory, 'root');
    mkdirSync(join(root, 'etc'), { recursive: true });
    writeFileSync(join(directory, 'passwd'), 'HOST FILE WAS READ!');
    writeFileSync(join(root, 'real'), 'inside');
    symlinkSync('../../passwd', join(root, 'etc/passwd'));
    symlinkSync('/real', join(root, 'etc/group'));
    expect(readBeneath(root, '/etc/passwd')).toBe('');
    expect(readBeneath(root, '/etc/group')).toBe('inside');
    expect(readBeneath(root, '/etc/none')).toBe('');
  });

  it('are refused when they are no regular files, without waiting', () => {
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    expect(() => readBeneath(directory, '/fifo')).toThrow('expected a regular file');
    expect(() => readBeneath(directory, '/')).toThrow('expected a regular file');
  });
});

it('hostname, hosts and resolv.conf are readable by all whatever the umask, and written in place', () => {
  const before = process.umask(0o077);
  const write = (hostname: string) =>
    writeNetworkFiles(directory, { hostname, network: 'none', extraHosts: [] });
  try {
    write('a-long-name');
  } finally {
    process.umask(before);
  }
  const { ino, mode } = statSync(join(directory, 'hostname'));
  expect((mode & 0o777).toString(8)).toBe('644');
  write('box');
  expect(readFileSync(join(directory, 'hostname'), 'utf8')).toBe('box\n');
  expect(statSync(join(directory, 'hostname')).ino).toBe(ino);
});

it('hosts and resolv.conf come from the host with its network only', () => {
  writeFileSync(join(directory, 'hosts'), '10.0.0.1 build-server');
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 10.0.0.53\n');
  const options = { hostname: 'box', extraHosts: ['db:10.0.0.2', 'six:::1'], hostEtc: directory };
  expect(networkTexts({ ...options, network: 'host' })).toEqual({
    hostname: 'box\n',
    hosts: '10.0.0.1 build-server\n10.0.0.2\tdb\n::1\tsix\n',
    'resolv.conf': 'nameserver 10.0.0.53\n',
  });
  const none = networkTexts({ ...options, network: 'none' }).hosts;
  expect(none).toContain('127.0.0.1\tlocalhost\n');
  expect(none).not.toContain('build-server');
});

it('on a bridge a container is in its hosts, and name servers on the loopback of the host are left out', () => {
  writeFileSync(join(directory, 'resolv.conf'), 'search corp\nnameserver 127.0.0.53\n');
  writeFileSync(join(directory, 'upstream'), 'nameserver 10.0.0.53\n');
  const options = {
    hostname: 'box',
    network: 'bridge',
    addresses: ['172.17.0.2'],
    extraHosts: [],
    hostEtc: directory,
    upstream: join(directory, 'upstream'),
  };
  expect(networkTexts(options).hosts).toContain('\n172.17.0.2\tbox\n');
  expect(networkTexts(options)['resolv.conf']).toBe('nameserver 10.0.0.53\n');
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 127.0.0.1\nnameserver 10.1.1.1\n');
  expect(networkTexts(options)['resolv.conf']).toBe('nameserver 10.1.1.1\n');
});

it('--dns, --dns-search and --dns-option each replace the lines of their kind', () => {
  writeFileSync(
    join(directory, 'resolv.conf'),
    'nameserver 10.0.0.53\nsearch corp\noptions timeout:1\n# by hand\n',
  );
  const resolvConf = (servers: string[], search: string[], options: string[]) =>
    networkTexts({
      hostname: 'box',
      network: 'host',
      extraHosts: [],
      hostEtc: directory,
      dns: { servers, search, options },
    })['resolv.conf'];
  expect(resolvConf(['192.0.2.1'], [], [])).toBe(
    'search corp\noptions timeout:1\n# by hand\nnameserver 192.0.2.1\n',
  );
  expect(resolvConf([], ['a.example', 'b.example'], ['ndots:2'])).toBe(
    'nameserver 10.0.0.53\n# by hand\nsearch a.example b.example\noptions ndots:2\n',
  );
  expect(resolvConf([], ['.'], [])).toBe('nameserver 10.0.0.53\noptions timeout:1\n# by hand\n');
});

it('host-gateway is where the host is, and a domain comes before the short name', () => {
  const hosts = (own: object) =>
    networkTexts({
      hostname: 'box',
      domainname: 'example.org',
      network: 'bridge',
      extraHosts: ['up:host-gateway'],
      hostEtc: directory,
      ...own,
    }).hosts;
  const there = hosts({ addresses: ['172.17.0.2'], gateway: '172.17.0.1' });
  expect(there).toContain('\n172.17.0.2\tbox.example.org box\n172.17.0.1\tup\n');
  expect(hosts({})).not.toContain('up');
  expect(hosts({ network: 'host' })).toBe('127.0.0.1\tup\n');
});

describe('a process by pid and start time', () => {
  it('is alive while it is the same one of the same boot', () => {
    const self = identify(process.pid)!;
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, StartTicks: self.StartTicks - 1 })).toBe(false);
    expect(isAlive({ ...self, BootID: 'another' })).toBe(false);
    expect(identify(4_000_000)).toBeUndefined();
  });

  it('is read past any name of the command, and a zombie is none', () => {
    mkdirSync(join(directory, '7'));
    mkdirSync(join(directory, 'sys/kernel/random'), { recursive: true });
    writeFileSync(join(directory, 'sys/kernel/random/boot_id'), 'boot\n');
    const stat = (state: string) =>
      writeFileSync(
        join(directory, '7/stat'),
        `7 (a) Z ( b) ${state} ${Array.from({ length: 40 }, (_, n) => n + 4).join(' ')}\n`,
      );
    stat('S');
    const identity = { Pid: 7, StartTicks: 22, BootID: 'boot' };
    expect(identify(7, directory)).toEqual(identity);
    expect(isAlive(identity, directory)).toBe(true);
    stat('Z');
    expect(isAlive(identity, directory)).toBe(false);
  });
});

it('names are generated to be names, and others refused', () => {
  for (let attempt = 0; attempt < 6; attempt++)
    expect(checkContainerName(generateName(attempt))).toMatch(/^[a-z]+_[a-z]+\d*$/);
  expect(checkContainerName('/a.b-c_d')).toBe('a.b-c_d');
  for (const name of ['a', '.a', 'a/b', '', '..', 'a b'])
    expect(() => checkContainerName(name)).toThrow('Invalid container name');
});

it('signals by name or number', () => {
  expect(['TERM', 'sigkill', '9', 'RTMIN+3', 'SIGRTMAX-1'].map(parseSignal)).toEqual([15, 9, 9, 37, 63]);
  for (const text of ['', '0', '65', 'SIGX', 'RTMIN+99'])
    expect(() => parseSignal(text)).toThrow(`invalid signal: ${text}`);
});

it('devices of the host by number', () => {
  expect(hostDevices().find(({ path }) => path === '/dev/null')).toMatchObject({
    type: 'c',
    major: 1,
    minor: 3,
  });
});
