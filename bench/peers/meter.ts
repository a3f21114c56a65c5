/**
 * A control group of its own for each tool and its daemon, so that CPU time is exact: every process of the tree
 * counts, dead ones too. Works on cgroup v1 (cpuacct and memory hierarchies) and on v2.
 *
 *   v1  /sys/fs/cgroup/{cpuacct,memory}/<name>/{cgroup.procs,cpuacct.usage,memory.stat}
 *   v2  /sys/fs/cgroup/<name>/{cgroup.procs,cpu.stat,memory.stat}
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = '/sys/fs/cgroup';
/** 20 ms sampling costs under 1% of a core and sees every plateau of memory. */
const SAMPLE_MS = 20;

export interface Measured {
  readonly wall: number;
  /** Seconds, user and system. */
  readonly cpu: number;
  /** Peak of anonymous memory over the group; page cache, which all tools fill alike, is left out. */
  readonly memory: number;
}

export class Meter {
  readonly #dirs: readonly string[];
  readonly #v2: boolean;

  constructor(name: string) {
    this.#v2 = existsSync(join(ROOT, 'cgroup.controllers'));
    this.#dirs = this.#v2 ? [join(ROOT, name)] : ['cpuacct', 'memory'].map((kind) => join(ROOT, kind, name));
    for (const dir of this.#dirs) mkdirSync(dir, { recursive: true });
  }

  /** Starts a program inside the group. */
  spawn(command: readonly string[], options: SpawnOptions): ChildProcess {
    const enter = this.#dirs.map((dir) => `echo $$ >${dir}/cgroup.procs`).join(' && ');
    return spawn('/bin/sh', ['-c', `${enter} && exec "$@"`, 'sh', ...command], options);
  }

  /** Runs a program to its end; CPU and memory are the whole group's meanwhile. Throws with its output if it fails. */
  async measure(command: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Measured> {
    const cpuBefore = this.#cpu();
    const started = performance.now();
    const child = this.spawn(command, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    let output = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
    let ended = 0;
    const done = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => (ended = performance.now()));
      child.once('close', resolve);
    });
    let memory = 0;
    const sampler = setInterval(() => (memory = Math.max(memory, this.#anonymous())), SAMPLE_MS);
    const code = await done.finally(() => clearInterval(sampler));
    if (code !== 0) throw new Error(`${command.join(' ')}: exit code ${code}\n${output.slice(-2000)}`);
    return { wall: (ended - started) / 1000, cpu: this.#cpu() - cpuBefore, memory };
  }

  /** Runs a program inside the group, which may leave others behind; gives what it prints, trimmed. */
  async output(command: readonly string[]): Promise<string> {
    const child = this.spawn(command, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, said, code] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'exit'),
    ]);
    if (code[0] !== 0) throw new Error(`${command.join(' ')}: exit code ${code[0]}\n${said.slice(-2000)}`);
    return out.trim();
  }

  /** Removes the group; its processes must have been stopped. */
  async close(): Promise<void> {
    for (const dir of this.#dirs) {
      for (let attempt = 0; ; attempt++) {
        try {
          rmdirSync(dir);
          break;
        } catch (error) {
          // The kernel lets go of a group a moment after its last process.
          if (attempt === 50) throw error;
          await sleep(20);
        }
      }
    }
  }

  #cpu(): number {
    const dir = this.#dirs[0]!;
    if (!this.#v2) return Number(readFileSync(join(dir, 'cpuacct.usage'), 'utf8')) / 1e9;
    return Number(/usage_usec (\d+)/.exec(readFileSync(join(dir, 'cpu.stat'), 'utf8'))![1]) / 1e6;
  }

  #anonymous(): number {
    const text = readFileSync(join(this.#dirs.at(-1)!, 'memory.stat'), 'utf8');
    return Number((this.#v2 ? /^anon (\d+)/m : /^total_rss (\d+)/m).exec(text)?.[1] ?? 0);
  }
}
