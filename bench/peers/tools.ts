/**
 * gantry and its peers, each as: is it here, how is it made ready on a fresh store, and which command pulls.
 * Daemons are our own, on sockets and roots under the run's directory; the machine's are left alone.
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopChild } from '../../test/helpers/registry-fixture.js';
import type { Meter } from './meter.js';

export interface Run {
  /** A fresh directory of this run. */
  readonly dir: string;
  /** host:port/repository:tag */
  readonly reference: string;
  readonly meter: Meter;
  /** For `start`: default `none`. With `bridge` the whole bench runs in a network namespace of its own. */
  readonly network?: 'none' | 'bridge';
}

export interface Tool {
  readonly name: string;
  /** Programs it needs; not installed, not run. */
  readonly programs: readonly string[];
  version(): string;
  /** Starts what must run before a pull. The result ends it. */
  prepare?(run: Run): Promise<() => Promise<void>>;
  /** Pulls `run.reference`. */
  command(run: Run): readonly string[];
  /** Runs `true` in a container of the pulled image, without a network, and removes it. */
  start?(run: Run): readonly string[];
  /** Saves `run.reference` to an lz4 file, by the lz4 tool where it has none of its own, and loads such a file. */
  readonly archive?: {
    save(run: Run, file: string): readonly string[];
    load(run: Run, file: string): readonly string[];
  };
  /** Starts a sleeping container in the background, without a network, and prints its id; takes such away by force. */
  readonly background?: {
    start(run: Run): readonly string[];
    remove(run: Run, ids: readonly string[]): readonly string[];
  };
}

const versionOf = (program: string, ...args: string[]): string =>
  /\d+\.\d+[\w.+~-]*/.exec(
    execFileSync(program, args.length ? args : ['--version'], { encoding: 'utf8' }),
  )?.[0] ?? '?';

/** gantry's built program, seen from the bundle (dist/bench, dist/chunks) and from the sources. */
export const GANTRY = ['../src/cli/gantry.js', '../../dist/src/cli/gantry.js']
  .map((file) => join(import.meta.dirname, file))
  .reduce((bundled, source) => (existsSync(bundled) ? bundled : source));

/** As a shell begins it. */
const gantry = (dir: string): string[] => [GANTRY, '--root', dir];

export const TOOLS: readonly Tool[] = [
  {
    name: 'gantry',
    programs: ['node'],
    version: () => versionOf(GANTRY, '--version'),
    command: ({ dir, reference }) => [...gantry(dir), 'pull', '-q', reference],
    start: ({ dir, reference, network = 'none' }) => [
      ...gantry(dir),
      ...['run', '--rm', '--network', network, reference, 'true'],
    ],
    archive: {
      save: ({ dir, reference }, file) => [
        ...gantry(dir),
        ...['save', '--compression', 'lz4', '-o', file, reference],
      ],
      load: ({ dir }, file) => [...gantry(dir), 'load', '-i', file],
    },
    background: {
      start: ({ dir, reference }) => [
        ...gantry(dir),
        ...['run', '-d', '--network', 'none', reference, 'sleep', '3600'],
      ],
      remove: ({ dir }, ids) => [...gantry(dir), 'rm', '-f', ...ids],
    },
  },
  {
    name: 'docker',
    programs: ['dockerd', 'docker', 'containerd'],
    version: () => versionOf('dockerd'),
    prepare: (run) => {
      const at = (name: string): string => join(run.dir, name);
      const apart = ['iptables', 'ip6tables', 'ip-forward', 'ip-masq'].map((name) => `--${name}=false`);
      const flags = run.network === 'bridge' ? [] : ['--bridge=none', ...apart];
      const places = [
        '--data-root',
        at('data'),
        '--exec-root',
        at('exec'),
        '--pidfile',
        at('pid'),
        '-H',
        `unix://${at('sock')}`,
      ];
      const registry = ['--insecure-registry', run.reference.slice(0, run.reference.indexOf('/'))];
      const command = [
        'dockerd',
        ...flags,
        ...places,
        ...registry,
        '--storage-driver',
        'overlay2',
        '-l',
        'error',
      ];
      return daemon(run, command, ['docker', '-H', `unix://${at('sock')}`, 'version']);
    },
    command: ({ dir, reference }) => ['docker', '-H', `unix://${join(dir, 'sock')}`, 'pull', '-q', reference],
    start: ({ dir, reference, network = 'none' }) => [
      'docker',
      ...['-H', `unix://${join(dir, 'sock')}`, 'run', '--rm', '--network', network, reference, 'true'],
    ],
    archive: throughLz4(({ dir }) => ['docker', '-H', `unix://${join(dir, 'sock')}`]),
  },
  {
    name: 'containerd',
    programs: ['containerd', 'ctr'],
    version: () => versionOf('containerd'),
    prepare: (run) => {
      const at = (name: string): string => JSON.stringify(join(run.dir, name));
      writeFileSync(
        join(run.dir, 'config.toml'),
        `version = 2\nroot = ${at('root')}\nstate = ${at('state')}\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = ${at('sock')}\n`,
      );
      return daemon(
        run,
        ['containerd', '-c', join(run.dir, 'config.toml'), '-l', 'error'],
        ['ctr', '-a', join(run.dir, 'sock'), 'version'],
      );
    },
    command: ({ dir, reference }) => [
      'ctr',
      ...['-a', join(dir, 'sock'), 'images', 'pull', '--plain-http', '--snapshotter', 'overlayfs', reference],
    ],
    start: ({ dir, reference }) => [
      'ctr',
      ...['-a', join(dir, 'sock'), 'run', '--rm', '--snapshotter', 'overlayfs', reference, 'bench', 'true'],
    ],
  },
  {
    name: 'podman',
    programs: ['podman'],
    version: () => versionOf('podman'),
    prepare: async ({ dir }) => {
      // No rlimits of podman's own: not every root may raise them.
      writeFileSync(join(dir, 'containers.conf'), '[containers]\ndefault_ulimits = []\n');
      const crun = [...withoutUnified(), 'crun', '"$@"'].map((word) =>
        word.includes(' ') ? `'${word}'` : word,
      );
      mkdirSync(join(dir, 'bin'));
      writeFileSync(join(dir, 'bin/crun'), `#!/bin/sh\nexec ${crun.join(' ')}\n`, { mode: 0o755 });
      // Outside of a mount namespace of its own it leaves its storage mounted on itself.
      return async () => void spawnSync('umount', [join(dir, 'root/overlay')], { stdio: 'ignore' });
    },
    command: ({ dir, reference }) => [
      'podman',
      ...['--root', join(dir, 'root'), '--runroot', join(dir, 'run'), '--storage-driver', 'overlay'],
      ...['pull', '-q', '--tls-verify=false', reference],
    ],
    start: ({ dir, reference, network = 'none' }) => [
      ...withoutUnified(),
      ...podman(dir, 'crun'),
      ...['run', '--rm', '--network', network, reference, 'true'],
    ],
    archive: throughLz4(({ dir }) => podman(dir, 'crun')),
    background: {
      // podman itself stays in everybody's mount namespace: the next command is to find its mounts.
      start: ({ dir, reference }) => [
        ...podman(dir, join(dir, 'bin/crun')),
        ...['run', '-d', '--network', 'none', reference, 'sleep', '3600'],
      ],
      remove: ({ dir }, ids) => [...podman(dir, join(dir, 'bin/crun')), 'rm', '-f', '-t', '0', ...ids],
    },
  },
  {
    name: 'skopeo+umoci',
    programs: ['skopeo', 'umoci'],
    version: () => `${versionOf('skopeo')} + ${versionOf('umoci')}`,
    command: ({ dir, reference }) => [
      'sh',
      '-ec',
      'skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$1" "oci:$2/layout:x"; umoci unpack --image "$2/layout:x" "$2/bundle"',
      'sh',
      reference,
      dir,
    ],
  },
];

/** By pipes, as people do it. */
function throughLz4(program: (run: Run) => readonly string[]): NonNullable<Tool['archive']> {
  const shell = (script: string, run: Run, ...more: string[]): string[] => [
    ...['/bin/sh', '-ec', script, ...more, ...program(run)],
  ];
  const save = 'image=$1; shift; "$@" save "$image" | lz4 -q -f - "$0"';
  return {
    save: (run, file) => shell(save, run, file, run.reference),
    load: (run, file) => shell('lz4 -q -dc "$0" | "$@" load -q', run, file),
  };
}

const podman = (dir: string, runtime: string): string[] => [
  ...['env', `CONTAINERS_CONF=${join(dir, 'containers.conf')}`, 'podman'],
  ...['--root', join(dir, 'root'), '--runroot', join(dir, 'run'), '--storage-driver', 'overlay'],
  ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', runtime],
];

/** A mount namespace without the second cgroup version, on a host with both: podman's crun refuses these. */
function withoutUnified(): string[] {
  const unified = '/sys/fs/cgroup/unified';
  if (!existsSync(unified)) return [];
  const script = 'umount "$1" && shift && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', script, 'sh', unified];
}

/** True when every program of the tool is on PATH, and gantry's is built. */
export const installed = (tool: Tool): boolean =>
  tool.programs.every((program) => {
    const places = (process.env.PATH ?? '').split(':').concat('/usr/sbin');
    return places.some((place) => existsSync(join(place, program)));
  }) &&
  (tool.name !== 'gantry' || existsSync(GANTRY));

/** Starts a daemon in the run's group and waits until `probe` succeeds and its start-up work has died down. */
async function daemon(
  run: Run,
  command: readonly string[],
  probe: readonly string[],
): Promise<() => Promise<void>> {
  mkdirSync(run.dir, { recursive: true });
  const log = openSync(join(run.dir, 'daemon.log'), 'a');
  const child: ChildProcess = run.meter.spawn(command, { stdio: ['ignore', log, log] });
  const answers = (): boolean => {
    try {
      execFileSync(probe[0]!, probe.slice(1), { stdio: 'ignore', timeout: 5000 });
      return true;
    } catch {
      return false;
    }
  };
  for (let attempt = 0; !answers(); attempt++) {
    if (child.exitCode !== null || attempt === 100) {
      await stopChild(child);
      throw new Error(`${command[0]} did not start; see ${run.dir}/daemon.log`);
    }
    await sleep(200);
  }
  await sleep(1000);
  return () => stopChild(child);
}
