import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { OwnNetwork, whyNoNetworks } from '../helpers/own-network.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why =
  whyNoContainers() ??
  whyNoNetworks() ??
  (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);
const title = `a container in the network of another${why ? ` (skipped: ${why})` : ''}`;

// Each step is a start of the program: slow beside others.
describe.skipIf(why !== undefined)(title, { timeout: 90_000 }, () => {
  const dir = temporaryDirectory();
  let net: OwnNetwork;
  let image: string;
  beforeAll(async () => {
    image = (await busyboxImage(openStore(dir.path), { ExposedPorts: { '80/tcp': {} } })).id;
    net = await OwnNetwork.open(dir.path);
  });
  afterEach(() => {
    const ids = net.gantry('ps', '-aq').stdout.split('\n').filter(Boolean);
    if (ids.length > 0) net.gantry('rm', '-f', ...ids);
    // Without any network there is not even the directory.
    expect(net.run('sh', '-c', 'ls /run/gantry/network/endpoints 2>&-').stdout).toBe('');
  });
  afterAll(() => {
    net?.close();
    dir.remove();
  });

  const done = { status: 0, stderr: '' };
  const words = ({ status, stderr }: { status: number | null; stderr: string }) => [
    status,
    stderr.split('\n')[0]!.replace('gantry: ', ''),
  ];
  /** Detached, idle until it is stopped; gives the id. */
  const idle = (name: string, ...flags: string[]): string => {
    const run = net.gantry('run', '-d', '--name', name, ...flags, image, 'sleep', '1000');
    expect(run).toMatchObject(done);
    return run.stdout.trim();
  };
  const inside = (name: string, ...command: string[]) =>
    net.gantry('exec', name, 'busybox', ...command).stdout;
  const shown = (name: string, template: string) => net.gantry('inspect', '-f', template, name).stdout.trim();
  const namespace = (name: string) => inside(name, 'readlink', '/proc/1/ns/net');
  const kill9 = (name: string) => {
    process.kill(Number(shown(name, '{{.State.Pid}}')), 'SIGKILL');
    expect(net.gantry('wait', name).status).toBe(0);
  };

  const runtimes = ['crun', 'runc'].filter((runtime) => findExecutable(runtime) !== undefined);
  it.each(runtimes)('has its loopback, hostname and files, by %s', (runtime) => {
    const id = idle(
      'db',
      '--runtime',
      runtime,
      '--network',
      'none',
      '--hostname',
      'dbhost',
      '--domainname',
      'lan',
    );
    const listen = ['busybox', 'nc', '-ll', '-p', '7000', '-e', 'echo', 'served'];
    expect(net.gantry('exec', '-d', 'db', ...listen)).toMatchObject(done);
    const found =
      'for i in $(busybox seq 100); do busybox nc -w 2 127.0.0.1 7000 && break; busybox sleep 0.1; done';
    const ask = `${found}; busybox hostname; echo extra >> /etc/hosts`;
    const flags = ['--runtime', runtime, '--network', 'container:db'];
    expect(net.gantry('run', '--rm', ...flags, image, 'sh', '-c', ask)).toMatchObject({
      ...done,
      stdout: 'served\ndbhost\n',
    });
    expect(inside('db', 'tail', '-n', '1', '/etc/hosts')).toBe('extra\n');
    idle('peer', '--runtime', runtime, '--network', `name=container:${id.slice(0, 12)}`);
    expect(namespace('peer')).toBe(namespace('db'));
    expect(shown('peer', '{{.HostConfig.NetworkMode}} {{.Config.Hostname}} {{.Config.Domainname}}')).toBe(
      `container:${id} dbhost lan`,
    );
    expect(shown('peer', '{{json .NetworkSettings.Networks}} {{json .NetworkSettings.Ports}}')).toBe('{} {}');
    expect(shown('peer', '{{.HostsPath}}')).toBe(shown('db', '{{.HostsPath}}'));
    expect(net.gantry('port', 'peer')).toMatchObject({ ...done, stdout: '' });
    expect(net.gantry('ps', '--filter', 'network=none', '--format', '{{.Names}}').stdout).toBe('db\n');
    expect(net.gantry('ps', '--filter', 'name=peer', '--format', '{{.Networks}}|{{.Ports}}').stdout).toBe(
      '|\n',
    );
    // One more, through it.
    idle('third', '--runtime', runtime, '--network', 'container:peer');
    expect(namespace('third')).toBe(namespace('db'));
    expect(shown('third', '{{.Config.Hostname}} {{.HostsPath}}')).toBe(
      `dbhost ${shown('db', '{{.HostsPath}}')}`,
    );
  });

  it('keeps a namespace whose container ends, starts again or goes, and takes the new one when it starts', () => {
    const id = idle('db', '--network', 'none');
    idle('peer', '--network', 'container:db', '--restart', 'on-failure:1');
    const first = namespace('peer');
    kill9('db');
    expect(namespace('peer')).toBe(first);
    expect(net.gantry('start', 'db')).toMatchObject(done);
    const second = namespace('db');
    expect(second).not.toBe(first);
    expect(namespace('peer')).toBe(first);
    expect(net.gantry('restart', '-t', '0', 'peer')).toMatchObject(done);
    expect(namespace('peer')).toBe(second);

    // Its restart policy's restart fails like any start.
    kill9('db');
    const why = `cannot join network of a non running container: ${id}`;
    process.kill(Number(shown('peer', '{{.State.Pid}}')), 'SIGKILL');
    expect(net.gantry('wait', 'peer').status).toBe(0);
    expect(shown('peer', '{{.State.Status}} {{.State.Error}}')).toBe(`exited ${why}`);
    expect(words(net.gantry('start', 'peer'))).toEqual([1, why]);
    expect(words(net.gantry('run', '--name', 'no', '--network', 'container:db', image, 'true'))).toEqual([
      125,
      why,
    ]);
    expect(shown('no', '{{.State.Error}}')).toBe(why);

    expect(net.gantry('start', 'db', 'peer')).toMatchObject(done);
    expect(net.gantry('rm', '-f', 'db')).toMatchObject({ ...done, stdout: 'db\n' });
    expect(inside('peer', 'cat', '/etc/hostname')).toBe(`${id.slice(0, 12)}\n`);
    expect(net.gantry('stop', '-t', '0', 'peer')).toMatchObject(done);
    expect(words(net.gantry('start', 'peer'))).toEqual([
      1,
      `joining network namespace of container: No such container: ${id}`,
    ]);
  });

  it("shows the namespace's traffic, is on no network of its own, and loses those of the other with it", () => {
    expect(net.gantry('network', 'create', '--subnet', '10.75.0.0/24', 'one')).toMatchObject(done);
    idle('web', '--network', 'one', '-p', '18080:80');
    idle('between', '--network', 'container:web');
    idle('peer', '--network', 'container:between');
    expect(net.gantry('rm', '-f', 'between')).toMatchObject(done);
    expect(inside('peer', 'ip', '-o', '-4', 'addr')).toMatch(/eth0/);
    expect(inside('peer', 'ping', '-c', '3', '-W', '2', '10.75.0.1')).toContain('3 packets received');
    const stats = net.gantry('stats', '--no-stream', '--format', '{{.Name}} {{.NetIO}}');
    expect(stats).toMatchObject(done);
    expect(stats.stdout).toMatch(/^peer [1-9]/m);
    expect(stats.stdout).toMatch(/^web [1-9]/m);
    expect(net.gantry('ps', '--filter', 'network=one', '--format', '{{.Names}}').stdout).toBe('web\n');
    expect(words(net.gantry('network', 'connect', 'bridge', 'peer'))).toEqual([
      1,
      'container sharing network namespace with another container or host cannot be connected to any other network',
    ]);
    expect(words(net.gantry('network', 'disconnect', 'one', 'peer'))).toEqual([
      1,
      `container ${shown('peer', '{{.Id}}')} is not connected to network one`,
    ]);
    expect(net.gantry('rm', '-f', 'web')).toMatchObject(done);
    // The other's address is free for anybody now.
    expect(inside('peer', 'ip', '-o', 'link')).not.toMatch(/eth0/);
    expect(net.run('ip', '-o', 'link').stdout).not.toMatch(/veth/);
    expect(net.gantry('network', 'rm', 'one')).toMatchObject(done);
    expect(net.gantry('stop', '-t', '0', 'peer')).toMatchObject(done);
    expect(shown('peer', '{{.State.Status}} {{.State.Error}}')).toBe('exited');
    expect(JSON.parse(shown('peer', '{{json .State.Resources}}'))).not.toHaveProperty('NetworkSent');
  });

  it("joins the host's network through another, and changes nothing of it", () => {
    idle('all', '--network', 'host');
    const port = () => net.run('cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start').stdout;
    const before = port();
    idle('peer', '--network', 'container:all');
    expect(namespace('peer')).toBe(namespace('all'));
    expect(port()).toBe(before);
    const sysctl = ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=7'];
    expect(words(net.gantry('create', '--network', 'container:all', ...sysctl, image))).toEqual([
      125,
      "sysctl 'net.ipv4.ip_unprivileged_port_start' is not allowed in another container's network namespace",
    ]);
  });

  it('cannot be made without the other, nor with what the other settles', () => {
    const create = (network: string, ...flags: string[]) =>
      words(net.gantry('create', '--network', network, ...flags, image));
    expect(create('container:nobody')).toEqual([125, 'No such container: nobody']);
    expect(create('container:')).toEqual([
      125,
      'invalid network mode: invalid container format container:<name|id>',
    ]);
    expect(create('container:nobody', '-p', '80')).toEqual([
      125,
      'conflicting options: port publishing and the container type network mode',
    ]);
    expect(net.gantry('ps', '-aq').stdout).toBe('');
  });
});
