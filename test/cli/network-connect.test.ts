import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { OwnNetwork, whyNoNetworks } from '../helpers/own-network.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? whyNoNetworks();

const title = `containers and networks${why ? ` (skipped: ${why})` : ''}`;

// Each step is a start of the program: slow beside others.
describe.skipIf(why !== undefined)(title, { timeout: 90_000 }, () => {
  const dir = temporaryDirectory();
  let net: OwnNetwork;
  let image: string;
  beforeAll(async () => {
    image = (await busyboxImage(openStore(dir.path), { ExposedPorts: { '80/tcp': {} } })).id;
    net = await OwnNetwork.open(dir.path);
    expect(net.gantry('network', 'create', '--subnet', '10.71.0.0/24', 'one').status).toBe(0);
    expect(net.gantry('network', 'create', '--subnet', '10.72.0.0/24', 'two').status).toBe(0);
    expect(net.gantry('network', 'create', '--subnet', '10.73.0.0/24', '--internal', 'inner').status).toBe(0);
  });
  afterEach(() => {
    const ids = net.gantry('ps', '-aq').stdout.split('\n').filter(Boolean);
    if (ids.length > 0) net.gantry('rm', '-f', ...ids);
    expect(net.run('sh', '-c', 'ls /run/gantry/network/endpoints').stdout).toBe('');
  });
  afterAll(() => {
    net?.close();
    dir.remove();
  });

  const done = { status: 0, stderr: '' };
  const networks = (name: string) =>
    JSON.parse(net.gantry('inspect', '-f', '{{json .NetworkSettings.Networks}}', name).stdout);
  const inside = (name: string, ...command: string[]) =>
    net.gantry('exec', name, 'busybox', ...command).stdout;
  const addresses = (name: string) =>
    [...inside(name, 'ip', '-o', '-4', 'addr').matchAll(/(eth\d)\s+inet ([\d.]+)/g)].map(
      ([, device, address]) => `${device} ${address}`,
    );
  const hosts = (name: string) =>
    readFileSync(
      join(dir.path, 'containers', net.gantry('inspect', '-f', '{{.Id}}', name).stdout.trim(), 'hosts'),
      'utf8',
    );
  const detached = (name: string, ...flags: string[]) =>
    net.gantry('run', '-d', '--name', name, '--hostname', name, ...flags, image, 'sleep', '1000');

  it('an address, a MAC and aliases of its own, kept for the next start', () => {
    const flags = ['--network', 'one', '--ip', '10.71.0.77', '--mac-address', '02:00:00:00:00:77'];
    expect(detached('db', ...flags, '--network-alias', 'store', '--network-alias', 'sql')).toMatchObject(
      done,
    );
    expect(detached('web', '--network', 'name=one,alias=www')).toMatchObject(done);
    expect(networks('db').one).toMatchObject({
      IPAMConfig: { IPv4Address: '10.71.0.77' },
      Aliases: ['store', 'sql'],
      IPAddress: '10.71.0.77',
      IPPrefixLen: 24,
      Gateway: '10.71.0.1',
      MacAddress: '02:00:00:00:00:77',
      EndpointID: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(hosts('web')).toMatch(/\n10\.71\.0\.77\tdb [0-9a-f]{12} store sql\n/);
    expect(hosts('db')).toMatch(/\tweb [0-9a-f]{12} www\n/);
    expect(inside('web', 'ping', '-c', '1', 'sql')).toContain('1 packets received');
    const taken = net.gantry('run', '--rm', '--network', 'one', '--ip', '10.71.0.77', image, 'true');
    expect(taken).toMatchObject({ status: 125, stderr: 'gantry: Address already in use\n' });
    expect(net.gantry('stop', '-t', '0', 'db')).toMatchObject(done);
    expect(net.gantry('start', 'db')).toMatchObject(done);
    expect(addresses('db')).toEqual(['eth0 10.71.0.77']);
  });

  it('connects and disconnects a running container', () => {
    expect(detached('box', '--network', 'one')).toMatchObject(done);
    expect(detached('peer', '--network', 'two', '--ip', '10.72.0.9')).toMatchObject(done);
    const before = hosts('box');
    expect(
      net.gantry('network', 'connect', '--ip', '10.72.0.5', '--alias', 'inbox', 'two', 'box'),
    ).toMatchObject(done);
    expect(addresses('box')).toEqual([expect.stringContaining('eth0 10.71.0.'), 'eth1 10.72.0.5']);
    expect(Object.keys(networks('box'))).toEqual(['one', 'two']);
    expect(networks('box').two).toMatchObject({ IPAddress: '10.72.0.5', Aliases: ['inbox'] });
    expect(hosts('box')).toContain('\n10.72.0.5\tbox\n');
    expect(inside('box', 'ping', '-c', '1', 'peer')).toContain('1 packets received');
    expect(inside('peer', 'ping', '-c', '1', 'inbox')).toContain('1 packets received');
    expect(inside('box', 'ip', 'route')).toContain('default via 10.71.0.1 dev eth0');
    const documents = JSON.parse(net.gantry('network', 'inspect', 'two').stdout)[0].Containers;
    expect(Object.values(documents)).toHaveLength(2);

    expect(net.gantry('network', 'disconnect', 'one', 'box')).toMatchObject(done);
    expect(addresses('box')).toEqual(['eth1 10.72.0.5']);
    expect(inside('box', 'ip', 'route')).toContain('default via 10.72.0.1 dev eth1');
    expect(Object.keys(networks('box'))).toEqual(['two']);
    expect(net.gantry('network', 'connect', 'one', 'box')).toMatchObject(done);
    expect(addresses('box')).toContainEqual(expect.stringContaining('eth0 10.71.0.'));
    expect(net.gantry('network', 'disconnect', 'two', 'box')).toMatchObject(done);
    expect(hosts('box')).not.toContain('10.72.');
    expect(hosts('peer')).not.toContain('inbox');
    expect(hosts('box').split('\n').length).toBe(before.split('\n').length);
  });

  it('connects a stopped container for its next start', () => {
    expect(net.gantry('create', '--name', 'later', '--network', 'inner', image, 'sleep', '1000').status).toBe(
      0,
    );
    expect(net.gantry('network', 'connect', 'two', 'later')).toMatchObject(done);
    expect(net.gantry('network', 'prune', '-f').stdout).toBe('Deleted Networks:\none\n\n');
    expect(net.gantry('network', 'create', '--subnet', '10.71.0.0/24', 'one').status).toBe(0);
    expect(networks('later').two).toMatchObject({ IPAddress: '', EndpointID: '' });
    expect(net.gantry('start', 'later')).toMatchObject(done);
    expect(addresses('later')).toEqual([
      expect.stringContaining('eth0 10.73.0.'),
      expect.stringContaining('eth1 10.72.0.'),
    ]);
    // An internal network leads nowhere.
    expect(inside('later', 'ip', 'route')).toContain('default via 10.72.0.1 dev eth1');
    expect(net.gantry('stop', '-t', '0', 'later')).toMatchObject(done);
    for (const name of ['inner', 'two']) {
      expect(net.gantry('network', 'disconnect', name, 'later')).toMatchObject(done);
    }
    expect(net.gantry('start', 'later')).toMatchObject(done);
    expect(addresses('later')).toEqual([]);
    expect(networks('later')).toEqual({});
    expect(net.gantry('network', 'connect', 'bridge', 'later')).toMatchObject(done);
    expect(addresses('later')).toEqual([expect.stringContaining('eth0 172.17.0.')]);
  });

  it("tells in docker's words what cannot be", () => {
    expect(detached('box', '--network', 'one')).toMatchObject(done);
    expect(detached('alone', '--network', 'none')).toMatchObject(done);
    const network = (...args: string[]) => {
      const { status, stderr } = net.gantry('network', ...args);
      return [status, stderr.split('\n')[0]];
    };
    const alone =
      'gantry: container cannot be connected to multiple networks with one of the networks in private (none) mode';
    expect(network('connect', 'one', 'alone')).toEqual([1, alone]);
    expect(network('connect', 'one', 'box')).toEqual([
      1,
      'gantry: endpoint with name box already exists in network one',
    ]);
    expect(network('connect', 'host', 'box')).toEqual([
      1,
      'gantry: container cannot be disconnected from host network or connected to host network',
    ]);
    expect(network('connect', 'nowhere', 'box')).toEqual([1, 'gantry: network nowhere not found']);
    expect(network('connect', 'two', 'nobody')).toEqual([1, 'gantry: No such container: nobody']);
    expect(network('connect', '--ip', '10.99.0.1', 'two', 'box')).toEqual([
      1,
      'gantry: invalid address 10.99.0.1: expected one of 10.72.0.0/24 that is not its gateway',
    ]);
    expect(network('disconnect', 'two', 'box')[1]).toMatch(/is not connected to network two$/);
    expect(network('disconnect', '-f', 'two', 'box')).toEqual([0, '']);
    expect(network('disconnect', '-f', 'two', 'nobody')).toEqual([0, '']);
    expect(Object.keys(networks('box'))).toEqual(['one']);
  });

  it('is on the bridge where nothing is said, with name servers, its name, the host, and a way out by NAT', async () => {
    // A network outside, whose only host knows nothing of the containers' addresses.
    const outside = net.spawn('unshare', '--net', 'sleep', '100');
    try {
      // Until then it is in ours, and the peer would come to lie here.
      const namespace = (pid: string) => net.run('readlink', `/proc/${pid}/ns/net`).stdout;
      await eventually(() => namespace(String(outside.pid)) !== namespace('self'));
      const peer = ['peer', 'in', 'netns', String(outside.pid)];
      expect(net.run('ip', 'link', 'add', 'out', 'type', 'veth', ...peer).status).toBe(0);
      net.run('sh', '-c', 'ip addr add 198.51.100.1/24 dev out; ip link set out up');
      const within = ['nsenter', '--target', String(outside.pid), '--net'];
      net.run(
        ...within,
        'sh',
        '-c',
        'ip addr add 198.51.100.2/24 dev in; ip link set in up; ip link set lo up',
      );
      const server = net.spawn(...within, 'busybox', 'nc', '-ll', '-p', '7000', '-e', 'echo', 'outside');
      const script =
        'cat /etc/resolv.conf /etc/hosts; for i in 1 2 3 4 5; do busybox nc -w 2 198.51.100.2 7000 && break; done';
      const flags = ['--rm', '--hostname', 'box', '--dns', '192.0.2.53', '--add-host', 'up:host-gateway'];
      const { stdout, stderr, status } = net.run(
        'env',
        '-u',
        'GANTRY_DEFAULT_NETWORK',
        ...net.command('run', ...flags, image, 'sh', '-c', script),
      );
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
      expect(stdout).toContain('nameserver 192.0.2.53\n');
      expect(stdout).toMatch(/\n172\.17\.0\.\d+\tbox\n172\.17\.0\.1\tup\n/);
      expect(stdout).toMatch(/outside\n$/);
      server.kill('SIGKILL');
    } finally {
      outside.kill('SIGKILL');
      await once(outside, 'exit');
    }
    const said = (value: string) =>
      net.run(
        'env',
        `GANTRY_DEFAULT_NETWORK=${value}`,
        ...net.command('run', '--rm', image, 'ls', '/sys/class/net'),
      ).stdout;
    expect(said('none')).toBe('lo\n');
    expect(said('one')).toBe('eth0\nlo\n');
  });

  it('names the packages where there is no iptables', () => {
    const hide =
      'for d in /usr/sbin /usr/bin /sbin /bin /usr/local/sbin; do test -e $d/iptables && mount --bind /dev/null $d/iptables; done; exec "$@"';
    const { stderr, status } = net.run(
      ...['unshare', '--mount', 'sh', '-c', hide, 'sh'],
      ...net.command('run', '--rm', '--network', 'bridge', image, 'true'),
    );
    expect(status).toBe(125);
    expect(stderr).toContain('and iptables: missing iptables\n');
    expect(stderr).toContain('hint: apt-get install iptables, or run with');
    expect(stderr).toContain('--network none or host');
  });

  async function eventually(holds: () => boolean): Promise<void> {
    for (let tries = 0; !holds(); tries++) {
      if (tries > 100) throw new Error('waited in vain');
      await sleep(50);
    }
  }
});
