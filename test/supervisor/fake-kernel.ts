/** /proc and cgroups as a directory of text files: `set('cgroup/memory.max', 'max\n')`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Target } from '../../src/supervisor/tracked.js';

export const MIB = 1024 ** 2;

export class FakeKernel {
  readonly path = mkdtempSync(join(tmpdir(), 'gantry-kernel-'));

  set(name: string, text: string): void {
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    writeFileSync(join(this.path, name), text);
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  remove(...names: string[]): void {
    rmSync(join(this.path, ...names), { recursive: true });
  }

  /** A host of two CPUs and 1 GiB which has spent `seconds` so far. */
  host(seconds: number): void {
    this.set('proc/stat', `cpu  ${seconds * 100} 0 0 0 0 0 0 99 7 7\ncpu0 1 2\ncpu1 1 2\nintr 5 6 7\n`);
    this.set('proc/meminfo', 'MemTotal:        1048576 kB\nMemFree: 5 kB\n');
  }

  process(pid: number, startTicks: number, state = 'S'): void {
    const between = Array.from({ length: 18 }, (_, at) => at).join(' ');
    this.set(`proc/${pid}/stat`, `${pid} (a) (b\nS c) ${state} ${between} ${startTicks} 77\n`);
    this.set(`proc/${pid}/net/dev`, net({ lo: [500, 500], eth0: [0, 0] }));
  }

  /** A cgroup v2 that has used `cpuSeconds`. */
  v2(name: string, cpuSeconds: number, oomKills = 0): void {
    const usec = cpuSeconds * 1e6;
    this.set(`${name}/cpu.stat`, `usage_usec ${usec}\nuser_usec ${usec}\nsystem_usec 0\ncore_sched.x 0\n`);
    this.set(`${name}/memory.current`, `${50 * MIB}\n`);
    this.set(`${name}/memory.max`, 'max\n');
    this.set(`${name}/memory.stat`, `anon 1\nfile 2\ninactive_file ${10 * MIB}\nactive_file 4\n`);
    this.set(`${name}/memory.events`, `low 0\noom 9\noom_kill ${oomKills}\noom_group_kill 0\n`);
    this.set(`${name}/io.stat`, '8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=7 dios=0\n');
    this.set(`${name}/pids.current`, '3\n');
    this.set(`${name}/pids.max`, 'max\n');
  }

  target(id: string, pid = 42, startTicks = 1000): Target {
    return { id, pid, startTicks, cgroup: { unified: this.at(id) }, ownNetwork: true };
  }

  /** Removes everything. */
  close(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function net(interfaces: Readonly<Record<string, readonly [number, number]>>): string {
  const lines = Object.entries(interfaces).map(
    ([name, [received, sent]]) => `${name.padStart(6)}: ${received} 1 2 3 4 5 6 7 ${sent} 1 2 3 4 5 6 7\n`,
  );
  return `Inter-|   Receive |  Transmit\n face |bytes packets|bytes packets\n${lines.join('')}`;
}
