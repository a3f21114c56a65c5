/**
 * A network namespace (and a mount namespace with an empty /run/gantry) of a test's own, with the program to run in it:
 * no bridge, rule or lease of a test is seen outside, and all of it ends with `close`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { GANTRY } from './gantry-process.js';

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class OwnNetwork {
  readonly #holder: ChildProcess;
  readonly #root: string;

  private constructor(holder: ChildProcess, root: string) {
    this.#holder = holder;
    this.#root = root;
  }

  static async open(root: string): Promise<OwnNetwork> {
    mkdirSync('/run/gantry', { recursive: true });
    const setUp =
      'mount -t tmpfs tmpfs /run/gantry && ip link set lo up && echo ready && exec sleep infinity';
    const holder = spawn('unshare', ['--net', '--mount', 'sh', '-c', setUp], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout!, 'data');
    return new OwnNetwork(holder, root);
  }

  #inside(command: readonly string[]): [string, string[]] {
    return ['nsenter', ['--target', String(this.#holder.pid), '--net', '--mount', '--', ...command]];
  }

  /** The words that call the program. */
  command(...args: string[]): string[] {
    return [GANTRY, '--root', this.#root, ...args];
  }

  run(...command: string[]): Finished {
    const [program, args] = this.#inside(command);
    return spawnSync(program, args, { encoding: 'utf8' });
  }

  gantry(...args: string[]): Finished {
    return this.run(...this.command(...args));
  }

  /** `gantry run …` in the foreground, beside us. */
  start(...args: string[]): ChildProcess {
    return this.spawn(...this.command(...args));
  }

  /** Any command, beside us. */
  spawn(...command: string[]): ChildProcess {
    const [program, args] = this.#inside(command);
    return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  close(): void {
    this.#holder.kill('SIGKILL');
  }
}

/** Why networks cannot be tested here; undefined when they can. */
export function whyNoNetworks(): string | undefined {
  if (spawnSync('unshare', ['--net', '--mount', 'true']).status !== 0) return 'needs to make namespaces';
  for (const tool of ['nsenter', 'ip', 'iptables']) {
    if (spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${tool}`]).status !== 0)
      return `needs ${tool}`;
  }
  if (spawnSync('/usr/lib/cni/bridge', { env: { CNI_COMMAND: 'VERSION' } }).status !== 0) {
    return 'needs containernetworking-plugins';
  }
  return undefined;
}
