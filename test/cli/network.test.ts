import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/engine/store.js';
import { busyboxImage } from '../engine/busybox-image.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { OwnNetwork, whyNoNetworks } from '../helpers/own-network.js';
import { whyNoContainers } from '../runtime/busybox.js';

const why = whyNoContainers() ?? whyNoNetworks();
const SERVE = 'while true; do busybox nc -l -p 80 -e echo served-by-$HOSTNAME; done';

describe.skipIf(why !== undefined)(`network${why ? ` (skipped: ${why})` : ''}`, () => {
  const dir = temporaryDirectory();
  let net: OwnNetwork;
  let image: string;
  beforeAll(async () => {
    image = (await busyboxImage(openStore(dir.path), { ExposedPorts: { '80/tcp': {} } })).id;
    net = await OwnNetwork.open(dir.path);
  });
  afterAll(() => {
    net?.close();
    dir.remove();
  });

  const lines = (text: string) => text.trim().split('\n');
  const eventually = async <T>(look: () => T | undefined): Promise<T> => {
    for (let tries = 0; ; tries++) {
      const found = look();
      if (found !== undefined) return found;
      if (tries > 100) throw new Error('nothing came');
      await sleep(50);
    }
  };
  const ask = (port: number, host = '127.0.0.1') =>
    eventually(() => net.run('busybox', 'nc', '-w', '2', host, String(port)).stdout.trim() || undefined);
  /** They go with their namespaces, which the kernel takes away after the last process. */
  const noVeth = () =>
    eventually(() => net.run('ip', '-o', 'link', 'show', 'type', 'veth').stdout === '' || undefined);
  const inspect = (name: string, format: string) => net.gantry('inspect', '-f', format, name).stdout.trim();
  const running = async (name: string, ...flags: string[]) => {
    const child = net.start('run', '--name', name, '--hostname', name, ...flags, image, 'sh', '-c', SERVE);
    let error = '';
    child.stderr!.on('data', (text: Buffer) => {
      error += text;
    });
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(error);
      return inspect(name, '{{.State.Running}}') === 'true' || undefined;
    });
    return async () => {
      net.gantry('rm', '-f', name);
      if (child.exitCode === null) await once(child, 'exit');
    };
  };

  it('ls shows the predefined ones, which nobody removes', () => {
    const { stdout } = net.gantry('network', 'ls');
    expect(lines(stdout).map((line) => line.split(/\s+/).slice(-3).join(' '))).toEqual([
      'NAME DRIVER SCOPE',
      'bridge bridge local',
      'host host local',
      'none null local',
    ]);
    expect(net.gantry('network', 'rm', 'bridge')).toMatchObject({
      status: 1,
      stderr: 'gantry: bridge is a pre-defined network and cannot be removed\n',
    });
  });

  it("create, inspect and rm, with docker's words for what cannot be", () => {
    const created = net.gantry('network', 'create', '--subnet', '10.77.0.0/24', '--label', 'a=b', 'back');
    expect(created).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/),
      stderr: '',
    });
    const id = created.stdout.trim();
    const document = JSON.parse(net.gantry('network', 'inspect', id.slice(0, 8)).stdout)[0];
    expect(document).toMatchObject({
      Name: 'back',
      Id: id,
      Driver: 'bridge',
      IPAM: { Config: [{ Subnet: '10.77.0.0/24', Gateway: '10.77.0.1' }] },
      Containers: {},
      Labels: { a: 'b' },
    });
    expect(net.gantry('inspect', '-f', '{{.Name}} {{.Driver}}', 'back', 'host').stdout).toBe(
      'back bridge\nhost host\n',
    );
    for (const [args, message] of [
      [['back'], 'network with name back already exists'],
      [['--subnet', '10.77.0.128/25', 'other'], 'Pool overlaps with other one on this address space'],
      [['--subnet', '10.77.0.1/24', 'other'], 'it should be 10.77.0.0/24'],
      [['--subnet', '10.78.0.0/24', '--gateway', '10.79.0.1', 'other'], 'no matching subnet for gateway'],
      [['--driver', 'macvlan', 'other'], 'could not find plugin macvlan'],
      [['a/b'], 'invalid network name'],
    ] as const) {
      expect(net.gantry('network', 'create', ...args)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(message),
      });
    }
    expect(net.gantry('network', 'ls', '-f', 'type=custom', '--format', '{{.Name}}').stdout).toBe('back\n');
    expect(net.gantry('network', 'rm', 'nosuch', 'back')).toMatchObject({
      status: 1,
      stdout: 'back\n',
      stderr: 'gantry: network nosuch not found\n',
    });
    expect(net.gantry('run', '--rm', '--network', 'back', image, 'true')).toMatchObject({
      status: 125,
      stderr: 'gantry: network back not found\n',
    });
  });

  it('a container on the bridge has an address, a way out, and its name in hosts; all is given back', async () => {
    const script =
      'busybox ip -4 -o addr show eth0; busybox ip route; cat /etc/hosts; busybox ip link show lo';
    const { stdout, stderr, status } = net.gantry(
      'run',
      '--rm',
      '--network',
      'bridge',
      '--hostname',
      'box',
      image,
      'sh',
      '-c',
      script,
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toMatch(/inet 172\.17\.0\.2\/16/);
    expect(stdout).toContain('default via 172.17.0.1 dev eth0');
    expect(stdout).toContain('172.17.0.2\tbox\n');
    expect(stdout).toMatch(/lo: <LOOPBACK,UP/);
    expect(net.run('sh', '-c', 'ls /run/gantry/network/endpoints').stdout).toBe('');
    expect(net.run('sh', '-c', 'ls /run/gantry/network/ipam/gantry0 | grep 172').stdout).toBe('');
    await noVeth();
    expect(net.run('iptables', '-S').stdout).not.toContain('172.17.0.2');
  });

  it('one masquerading rule for a network, which goes with it; rules of a container where FORWARD drops', () => {
    const masquerading = () =>
      net.run('iptables', '-t', 'nat', '-S', 'POSTROUTING').stdout.match(/MASQUERADE/g)?.length ?? 0;
    const forwarded = () =>
      net.gantry('run', '--rm', '--network', 'walled', '--name', 'walled', image, 'true').stderr;
    const before = masquerading();
    net.gantry('network', 'create', 'walled');
    net.run('iptables', '-t', 'mangle', '-A', 'FORWARD', '-j', 'ACCEPT'); // stops nothing
    expect([forwarded(), forwarded()]).toEqual(['', '']);
    expect(masquerading()).toBe(before + 1);
    const rules = net.run('iptables-save', '-t', 'nat').stdout;
    net.run('iptables', '-t', 'nat', '-F', 'POSTROUTING');
    expect(forwarded()).toBe(''); // what somebody flushed is back with the next container
    expect(masquerading()).toBe(1);
    net.run('sh', '-c', `iptables-restore <<END\n${rules}\nEND`);
    expect(masquerading()).toBe(before + 1);
    expect(net.run('iptables', '-S').stdout).not.toContain('CNI-FORWARD');
    net.run('iptables', '-P', 'FORWARD', 'DROP');
    expect(forwarded()).toBe('');
    expect(net.run('iptables', '-S', 'FORWARD').stdout).toContain('-j CNI-FORWARD');
    net.run('iptables', '-P', 'FORWARD', 'ACCEPT');
    net.run('iptables', '-F', 'FORWARD');
    net.run('iptables', '-t', 'mangle', '-F', 'FORWARD');
    expect(net.gantry('network', 'rm', 'walled').status).toBe(0);
    expect(masquerading()).toBe(before);
  });

  it('publishes ports, refuses one that is taken, and gives it back', async () => {
    const stop = await running('web', '-p', '8080:80', '-p', '127.0.0.1:9000:81/udp');
    try {
      expect(await ask(8080)).toBe('served-by-web');
      expect(await ask(8080, '172.17.0.1')).toBe('served-by-web');
      expect(JSON.parse(inspect('web', '{{json .NetworkSettings.Ports}}'))).toEqual({
        '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
        '81/udp': [{ HostIp: '127.0.0.1', HostPort: '9000' }],
      });
      expect(net.gantry('port', 'web').stdout).toBe('80/tcp -> 0.0.0.0:8080\n81/udp -> 127.0.0.1:9000\n');
      expect(net.gantry('port', 'web', '80').stdout).toBe('0.0.0.0:8080\n');
      expect(net.gantry('port', 'web', '81')).toMatchObject({
        status: 1,
        stderr: "gantry: no public port '81/tcp' published for web\n",
      });
      expect(net.gantry('ps', '--format', '{{.Ports}}').stdout).toBe(
        '0.0.0.0:8080->80/tcp, 127.0.0.1:9000->81/udp\n',
      );
      const address = inspect('web', '{{.NetworkSettings.IPAddress}}');
      expect(address).toMatch(/^172\.17\.0\.\d+$/);
      expect(inspect('web', '{{.NetworkSettings.Networks.bridge.Gateway}}')).toBe('172.17.0.1');
      const [bridge] = JSON.parse(net.gantry('network', 'inspect', 'bridge').stdout);
      expect(Object.values(bridge.Containers)).toEqual([
        expect.objectContaining({ Name: 'web', IPv4Address: `${address}/16` }),
      ]);
      expect(net.gantry('run', '--rm', '-p', '8080:80', image, 'true')).toMatchObject({
        status: 125,
        stderr: 'gantry: Bind for 0.0.0.0:8080 failed: port is already allocated\n',
      });
      expect(net.gantry('run', '--rm', '-p', '127.0.0.1:8080:80/udp', image, 'true').status).toBe(0);
    } finally {
      await stop();
    }
    expect(net.gantry('run', '--rm', '-p', '8080:80', image, 'true').status).toBe(0);
    expect(net.run('iptables', '-t', 'nat', '-S').stdout).not.toContain('8080');
  });

  it('-P gives every exposed port a free one', async () => {
    const stop = await running('random', '-P');
    try {
      const ports = JSON.parse(inspect('random', '{{json .NetworkSettings.Ports}}'));
      expect(await ask(Number(ports['80/tcp'][0].HostPort))).toBe('served-by-random');
    } finally {
      await stop();
    }
  });

  it('keeps networks apart, and a network that is used', async () => {
    net.gantry('network', 'create', 'one');
    net.gantry('network', 'create', '--internal', 'two');
    const stop = await running('server', '--network', 'one');
    try {
      const address = inspect('server', '{{.NetworkSettings.Networks.one.IPAddress}}');
      const call = (network: string) =>
        net.gantry('run', '--rm', '--network', network, image, 'busybox', 'nc', '-w', '2', address, '80');
      expect(call('one').stdout).toBe('served-by-server\n');
      const byName = (name: string) =>
        net.gantry('run', '--rm', '--network', 'one', image, 'busybox', 'nc', '-w', '2', name, '80');
      expect(byName('server').stdout).toBe('served-by-server\n');
      expect(call('two')).toMatchObject({ status: 1, stdout: '' });
      expect(call('none')).toMatchObject({ status: 1, stdout: '' });
      expect(net.gantry('network', 'rm', 'one').stderr).toMatch(
        /^gantry: network one has active endpoints \(name:"server" id:"[0-9a-f]{12}"\)\n$/,
      );
      expect(net.gantry('network', 'prune', '-f').stdout).toBe('Deleted Networks:\ntwo\n\n');
    } finally {
      await stop();
    }
    expect(net.gantry('network', 'rm', 'one').status).toBe(0);
    expect(net.run('ip', '-o', 'link').stdout).not.toContain('gn-');
  });

  it('containers on a network know each other by name as they come and go; what one wrote itself stays', async () => {
    net.gantry('network', 'create', 'named');
    const file = (name: string) => join(dir.path, 'containers', inspect(name, '{{.Id}}'), 'hosts');
    const hosts = (name: string) => readFileSync(file(name), 'utf8');
    const stopFirst = await running('first', '--network', 'named');
    const own = hosts('first');
    writeFileSync(file('first'), '10.9.9.9\town\n', { flag: 'a' });
    const stopSecond = await running('second', '--network', 'named');
    const address = inspect('second', '{{.NetworkSettings.Networks.named.IPAddress}}');
    const id = inspect('second', '{{.Id}}').slice(0, 12);
    expect(hosts('first')).toContain(
      `# containers on named\n${address}\tsecond ${id}\n# end of containers\n`,
    );
    expect(hosts('second')).toContain(`\tfirst ${inspect('first', '{{.Id}}').slice(0, 12)}\n`);
    await stopSecond();
    expect(hosts('first')).toBe(`${own}10.9.9.9\town\n`);
    await stopFirst();
    expect(net.gantry('network', 'rm', 'named').status).toBe(0);
  });

  it('its own line stays in the hosts of a container into which somebody was just writing', async () => {
    const own = await OwnNetwork.open(dir.path);
    // As another gantry would, under the lock of networks; the plugin ends before it does.
    const writer = `#!/bin/sh
      /run/gantry/cni/bridge || exit
      [ $CNI_COMMAND = ADD ] && [ -e /run/gantry/busy ] || exit 0
      hosts=${dir.path}/containers/$CNI_CONTAINERID/hosts
      exec 9>>/run/gantry/network/lock; flock 9
      { old=$(cat $hosts); sleep 0.4; echo "$old" >$hosts; } >/dev/null &`;
    const flags = ['--rm', '--network', 'bridge', '--hostname', 'me'];
    const run = (script: string) => own.gantry('run', ...flags, image, 'sh', '-c', script);
    try {
      expect(own.run('cp', '-r', '/usr/lib/cni', '/run/gantry/cni').status).toBe(0);
      expect(own.run('mount', '-t', 'tmpfs', 'tmpfs', '/usr/lib/cni').status).toBe(0);
      expect(own.run('sh', '-c', 'cp /run/gantry/cni/* /usr/lib/cni; rm /usr/lib/cni/bridge').status).toBe(0);
      own.run('sh', '-c', 'printf %s "$0" >/usr/lib/cni/bridge; chmod +x /usr/lib/cni/bridge', writer);
      expect(run('cat /etc/hosts').stdout).toMatch(/^[\d.]+\tme$/m); // its rule for masquerading is there now
      own.run('touch', '/run/gantry/busy');
      expect(run('sleep 0.8; cat /etc/hosts').stdout).toMatch(/^[\d.]+\tme$/m);
    } finally {
      own.close();
    }
  });

  it('a run that is killed at any moment leaves nothing of its network', async () => {
    for (const pause of [50, 75, 100, 125, 150, 200, 300, 450]) {
      const child = net.start('run', '--name', 'brief', '-p', '8083:80', image, 'sleep', '100');
      await sleep(pause);
      child.kill('SIGKILL');
      if (child.signalCode === null && child.exitCode === null) await once(child, 'exit');
      net.gantry('ps', '-a');
      net.gantry('rm', '-f', 'brief');
    }
    const places = 'ls /run/gantry/network/endpoints; ls /run/gantry/network/ipam/gantry0 | grep 172';
    expect(net.run('sh', '-c', `${places}; grep netns /proc/self/mountinfo`).stdout).toBe('');
    expect(net.run('iptables', '-t', 'nat', '-S').stdout).not.toContain('8083');
    await noVeth();
  });

  it('a plugin that is still at work when its run is killed is waited for, and undone', async () => {
    const own = await OwnNetwork.open(dir.path);
    const slow = `cp -r /usr/lib/cni /run/gantry/cni && mount -t tmpfs tmpfs /usr/lib/cni &&
      cp /run/gantry/cni/bridge /run/gantry/cni/host-local /run/gantry/cni/firewall /usr/lib/cni &&
      printf '#!/bin/sh\n[ $CNI_COMMAND = ADD ] && touch /run/gantry/slow && sleep 0.6\nexec /run/gantry/cni/portmap' > /usr/lib/cni/portmap &&
      chmod +x /usr/lib/cni/portmap`;
    try {
      expect(own.run('sh', '-c', slow).stderr).toBe('');
      const child = own.start('run', '--name', 'slow', '-p', '8085:80', image, 'sleep', '100');
      await eventually(() => own.run('ls', '/run/gantry/slow').status === 0 || undefined);
      child.kill('SIGKILL');
      expect(own.gantry('rm', '-f', 'slow').status).toBe(0);
      expect(own.run('iptables', '-t', 'nat', '-S').stdout).not.toContain('8085');
      await sleep(1000); // for one that nobody waited for
      expect(own.run('iptables', '-t', 'nat', '-S').stdout).not.toContain('8085');
      expect(own.run('sh', '-c', 'ls /run/gantry/network/endpoints').stdout).toBe('');
    } finally {
      own.close();
    }
  });

  it('starts at the same time: one rule, an address for each', async () => {
    net.gantry('network', 'create', 'rush');
    const starts = Array.from({ length: 4 }, () => {
      const show = ['busybox', 'ip', '-4', '-o', 'addr', 'show', 'eth0'];
      return net.start('run', '--rm', '--network', 'rush', image, ...show);
    });
    const told = await Promise.all(starts.map((child) => text(child.stdout!)));
    expect(new Set(told.map((line) => /inet (\S+)/.exec(line)?.[1])).size).toBe(4);
    expect(told.join('')).toMatch(/^(.*inet .*\n){4}$/);
    const { Subnet } = JSON.parse(net.gantry('network', 'inspect', 'rush').stdout)[0].IPAM.Config[0];
    const rules = lines(net.run('iptables', '-t', 'nat', '-S', 'POSTROUTING').stdout);
    expect(rules.filter((line) => line.includes(Subnet))).toHaveLength(1);
    expect(net.gantry('network', 'rm', 'rush').status).toBe(0);
  });

  it('an interface whose address was given back is down, even in a namespace that somebody holds', async () => {
    net.gantry('run', '-d', '--network', 'bridge', '--name', 'held', image, 'sleep', '100');
    const pid = inspect('held', '{{.State.Pid}}');
    const holder = net.spawn('nsenter', `--net=/proc/${pid}/ns/net`, 'sh', '-c', 'echo in; exec sleep 100');
    try {
      await once(holder.stdout!, 'data');
      const inside = () =>
        net.run('nsenter', `--net=/proc/${holder.pid}/ns/net`, 'ip', '-o', 'link', 'show', 'eth0').stdout;
      expect(inside()).toMatch(/<.*,UP,/);
      expect(net.gantry('rm', '-f', 'held').status).toBe(0);
      expect(inside()).toMatch(/<BROADCAST,MULTICAST>/);
      expect(net.run('sh', '-c', 'ls /run/gantry/network/ipam/gantry0 | grep 172').stdout).toBe('');
    } finally {
      holder.kill('SIGKILL');
    }
    await noVeth();
  });

  it('a killed run gives its network back by the next command', async () => {
    const child = net.start('run', '--name', 'killed', '-p', '8081:80', image, 'sh', '-c', SERVE);
    await ask(8081);
    child.kill('SIGKILL'); // of nsenter, which has become the program
    await once(child, 'exit');
    await eventually(() => net.gantry('ps', '-q').stdout === '' || undefined);
    expect(net.run('sh', '-c', 'ls /run/gantry/network/endpoints').stdout).toBe('');
    expect(net.gantry('run', '--rm', '-p', '8081:80', image, 'true').status).toBe(0);
    net.gantry('rm', 'killed');
  });

  it('a detached container keeps its ports until it ends, and gets them again at a start', async () => {
    expect(
      net.gantry('run', '-d', '--name', 'shop', '-p', '8090:80', image, 'sh', '-c', SERVE),
    ).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(await ask(8090)).toMatch('served-by-');
    expect(net.gantry('stop', '-t', '0', 'shop').status).toBe(0);
    expect(net.gantry('port', 'shop').stdout).toBe('');
    expect(net.run('sh', '-c', 'ls /run/gantry/network/endpoints').stdout).toBe('');
    expect(net.gantry('start', 'shop').status).toBe(0);
    expect(await ask(8090)).toMatch('served-by-');
    net.gantry('rm', '-f', 'shop');
    expect(net.run('iptables', '-t', 'nat', '-S').stdout).not.toContain('8090');
    const actions = net.gantry(
      'events',
      '--since',
      '1h',
      '--until',
      '0s',
      '-f',
      'type=network',
      '-f',
      'network=bridge',
      '--format',
      '{{.Action}}',
    );
    expect(lines(actions.stdout).slice(-4)).toEqual(['connect', 'disconnect', 'connect', 'disconnect']);
  });

  it('tells which plugins are missing', () => {
    const script = 'mount -t tmpfs tmpfs /usr/lib/cni; exec "$@"';
    const { stderr } = net.run(
      ...['unshare', '--mount', 'sh', '-c', script, 'sh'],
      ...net.command('run', '--rm', '--network', 'bridge', image, 'true'),
    );
    expect(stderr).toContain('networks need the CNI plugins bridge, host-local, portmap, firewall');
    expect(stderr).toContain('hint: apt-get install containernetworking-plugins');
  });

  it('what went over its network is in the report of its end', async () => {
    const child = net.start(
      'run',
      '--name',
      'used',
      '--network',
      'bridge',
      image,
      'sh',
      '-c',
      // nc ends with its stdin, so it gets one that does not end.
      'busybox mkfifo /f && exec 3<>/f && exec busybox nc -l -p 80 <&3',
    );
    child.stdout!.resume();
    const address = await eventually(
      () => inspect('used', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}') || undefined,
    );
    const send = `head -c 100000 /dev/zero | busybox nc -w 2 ${address} 80`;
    await eventually(() => (net.run('sh', '-c', send).status === 0 ? true : undefined));
    if (child.exitCode === null) await once(child, 'exit');
    const used = JSON.parse(inspect('used', '{{json .State.Resources}}'));
    expect(used.NetworkReceived).toBeGreaterThan(100_000);
    expect(used.NetworkReceived).toBeLessThan(200_000);
    expect(used.NetworkSent).toBeGreaterThan(100);
    net.gantry('rm', 'used');
  });
});
