/** Beside the truth of a real kernel: cgroups v1 made here, with processes of ours in them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/supervisor/clock.js';
import { cpuPercent, memoryUsed } from '../../src/supervisor/formulas.js';
import type { Notice } from '../../src/supervisor/messages.js';
import type { Sample } from '../../src/supervisor/sample.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';
import { MIB } from './fake-kernel.js';

const ROOT = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'cpuacct', 'memory', 'blkio', 'pids'] as const;
const missing = CONTROLLERS.filter((name) => !existsSync(join(ROOT, name, 'cgroup.procs')));
const why =
  process.getuid?.() !== 0 ? 'needs root' : missing.length > 0 ? `needs cgroup v1 ${missing}` : undefined;

describe.skipIf(why !== undefined)(`a real cgroup v1${why ? ` (skipped: ${why})` : ''}`, () => {
  let name: string;
  let children: ChildProcess[];
  let told: Notice[];
  let supervisor: Supervisor;
  const at = (controller: string, file = '') => join(ROOT, controller, name, file);

  beforeEach(() => {
    name = `gantry-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
    children = [];
    told = [];
    for (const controller of CONTROLLERS) mkdirSync(at(controller));
    supervisor = new Supervisor({
      proc: '/proc',
      clock: systemClock,
      interval: 3_600_000, // ticked by hand
      first: 3_600_000,
      tell: (notice) => told.push(notice),
      taken: () => true,
    });
    supervisor.start();
  });
  afterEach(async () => {
    supervisor.handle({ ask: 'stop' });
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await vanish();
  });

  /** The kernel keeps a cgroup busy for a moment after its last process. */
  async function vanish(): Promise<void> {
    for (const controller of CONTROLLERS) {
      for (let tries = 0; existsSync(at(controller)); tries++) {
        try {
          rmdirSync(at(controller));
        } catch (error) {
          if (tries > 100) throw error;
          await sleep(20);
        }
      }
    }
  }

  /** Joins the cgroup before the script begins. */
  async function run(script: string): Promise<ChildProcess> {
    const child = spawn('/bin/sh', ['-c', `read -r _; ${script}`], { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(child);
    for (const controller of CONTROLLERS) writeFileSync(at(controller, 'cgroup.procs'), String(child.pid));
    child.stdin!.end('\n');
    return child;
  }

  function track({ pid }: ChildProcess): void {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const startTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const cgroup = Object.fromEntries(CONTROLLERS.map((controller) => [controller, at(controller)]));
    supervisor.handle({
      ask: 'track',
      target: { id: 'c', pid: pid!, startTicks, cgroup, ownNetwork: true },
    });
  }

  function sample(): Sample | undefined {
    supervisor.tick();
    const last = told.at(-1);
    return last?.tell === 'sample' ? last.samples[0] : undefined;
  }

  it('a CPU burner with a quota of half a CPU reads 50 ± 2 %', async () => {
    writeFileSync(at('cpu', 'cpu.cfs_quota_us'), '50000');
    writeFileSync(at('cpu', 'cpu.shares'), '262144'); // before all others, so that it gets its half
    track(await run('while :; do :; done'));
    // Where other processes take its CPUs it cannot have its half: then the next three seconds may do.
    const readings: number[] = [];
    do {
      sample();
      await sleep(3000);
      readings.push(cpuPercent(sample()!));
      expect(readings.at(-1)).toBeLessThan(52);
    } while (readings.at(-1)! < 48 && readings.length < 8);
    expect(readings.at(-1)).toBeGreaterThan(48);
    expect(sample()!.cpu.throttledPeriods).toBeGreaterThan(20);
  }, 40_000);

  it('a filler of the page cache does not raise memory', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-cache-'));
    try {
      // Recent kernels count only on a device that has some limit somewhere; v1 tells the writer of what is written
      // past the cache only.
      const { dev } = statSync(directory);
      const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
      writeFileSync(at('blkio', 'blkio.throttle.write_bps_device'), `${device} ${1e12}`);
      const child = await run(
        `cd ${directory}; dd if=/dev/zero of=filler bs=1M count=64; dd if=/dev/zero of=direct bs=1M count=4 oflag=direct; echo; exec sleep 60`,
      );
      track(child);
      const before = memoryUsed(sample()!.memory);
      await once(child.stdout!, 'data');
      const { memory, io } = sample()!;
      expect(memory.usage).toBeGreaterThan(60 * MIB);
      expect(memory.peak).toBeGreaterThanOrEqual(memory.usage);
      // What the kernel needs to know of those pages counts, some MiB of it.
      expect(memoryUsed(memory) - before).toBeLessThan(16 * MIB);
      expect(io.written).toBeGreaterThanOrEqual(4 * MIB);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }, 20_000);

  it('an OOM kill is told; a limit is', async () => {
    writeFileSync(at('memory', 'memory.limit_in_bytes'), String(20 * MIB));
    const child = await run('tail /dev/zero');
    track(child);
    expect(sample()?.memory.limit ?? 20 * MIB).toBe(20 * MIB);
    await sleep(50);
    for (let tries = 0; tries < 200 && told.at(-1)?.tell !== 'exit'; tries++) {
      sample();
      if (told.some(({ tell }) => tell === 'exit')) break;
      await sleep(20);
      if (told.some(({ tell }) => tell === 'oom')) child.kill('SIGKILL');
    }
    const words = told.filter(({ tell }) => tell === 'oom' || tell === 'exit');
    expect(words).toMatchObject([{ tell: 'oom', kills: 1 }, { tell: 'exit' }]);
  }, 20_000);

  it('a kill is no OOM kill; a cgroup that vanished is an end like others', async () => {
    const child = await run('exec sleep 60');
    track(child);
    expect(sample()).toMatchObject({ pids: { current: 1, peak: 1 }, network: {} });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await vanish();
    expect(sample()).toBeUndefined();
    expect(told.filter(({ tell }) => tell !== 'sample')).toMatchObject([
      { tell: 'started' },
      { tell: 'exit' },
    ]);
  });
});
