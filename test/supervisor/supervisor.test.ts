import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/supervisor/clock.js';
import { cpuPercent, memoryUsed } from '../../src/supervisor/formulas.js';
import type { Notice } from '../../src/supervisor/messages.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';
import { FakeKernel, MIB, net } from './fake-kernel.js';

class HandClock implements Clock {
  time = 0;
  timers = new Map<object, { readonly due: number; readonly call: () => void }>();
  now(): number {
    return this.time;
  }
  after(ms: number, call: () => void): () => void {
    const key = {};
    this.timers.set(key, { due: this.time + ms, call });
    return () => this.timers.delete(key);
  }
  /** Goes on by `ms` at once, and then calls what is due; timers may fire `early`. */
  leap(ms: number, early = 0): void {
    this.time += ms;
    for (const [key, { due, call }] of [...this.timers]) {
      if (due <= this.time + early && this.timers.delete(key)) call();
    }
  }
}

let kernel: FakeKernel;
let clock: HandClock;
let told: Notice[];
let taken: boolean;
let supervisor: Supervisor;

beforeEach(() => {
  kernel = new FakeKernel();
  kernel.host(100);
  kernel.process(42, 1000);
  kernel.v2('c', 1);
  clock = new HandClock();
  told = [];
  taken = true;
  supervisor = new Supervisor({
    proc: kernel.at('proc'),
    clock,
    interval: 1000,
    first: 200,
    tell: (notice) => told.push(notice),
    taken: () => taken,
  });
  supervisor.start();
});
afterEach(() => {
  supervisor.handle({ ask: 'stop' });
  kernel.close();
});

const track = (id = 'c', pid = 42, startTicks = 1000) =>
  supervisor.handle({ ask: 'track', target: kernel.target(id, pid, startTicks) });
const kinds = () => told.map((notice) => notice.tell);
const samples = () => told.flatMap((notice) => (notice.tell === 'sample' ? [notice.samples] : []));
const openFiles = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(kernel.path);
    } catch {
      return false;
    }
  }).length;

describe('samples', () => {
  it('are of the time since the one before, from the moment of tracking on', () => {
    track();
    kernel.v2('c', 1.1);
    kernel.host(100.4);
    kernel.set('proc/42/net/dev', net({ lo: [500, 500], eth0: [1000, 20], eth1: [320, 3] }));
    clock.leap(200);
    const [[sample]] = samples() as [[ReturnType<typeof samples>[0][0]]];
    expect(cpuPercent(sample!)).toBeCloseTo(50);
    expect(memoryUsed(sample!.memory)).toBe(40 * MIB);
    expect(sample).toMatchObject({
      id: 'c',
      at: 200,
      memory: { limit: 1024 * MIB },
      io: { read: 100, written: 200 },
      network: { received: 1320, sent: 23 },
      pids: { current: 3 },
      system: { usage: 100.4e9, cpus: 2 },
      before: { at: 0, cpuUsage: 1e9, systemUsage: 100e9 },
    });
  });

  it('a filled page cache and a limit, as cgroup v2 tells them', () => {
    kernel.set('c/memory.max', `${500 * MIB}\n`);
    track();
    clock.leap(200);
    kernel.set('c/memory.current', `${450 * MIB}\n`);
    kernel.set('c/memory.stat', `anon 1\nfile 2\ninactive_file ${410 * MIB}\nactive_file 4\n`);
    clock.leap(1000);
    for (const [sample] of samples()) {
      expect(memoryUsed(sample!.memory)).toBe(40 * MIB);
      expect(sample!.memory.limit).toBe(500 * MIB);
    }
    expect(samples()).toHaveLength(2);
  });

  it('come at the beat, also with none to sample', () => {
    const times: number[] = [];
    for (const [ms, early] of [[200], [999.5, 1], [1000.5], [2700], [300], [1000]] as const) {
      const before = samples().length;
      clock.leap(ms, early);
      if (samples().length > before) times.push(clock.time);
    }
    // The second was early, the fourth late: the beat at 5200 would come too soon after it.
    expect(times).toEqual([200, 1199.5, 2200, 4900, 6200]);
    expect(samples()).toEqual([[], [], [], [], []]);
  });

  it('are not sent to a consumer that has not taken the last', () => {
    track();
    clock.leap(200);
    taken = false;
    for (const ms of [1000, 1000]) clock.leap(ms);
    expect(samples()).toHaveLength(1);
    taken = true;
    clock.leap(1000);
    expect(samples()).toHaveLength(2);
    expect(samples()[1]![0]).toMatchObject({ at: 3200, before: { at: 2200 } });
  });

  it("have no traffic of the host's network", () => {
    kernel.set('proc/42/net/dev', net({ eth0: [1000, 20] }));
    supervisor.handle({ ask: 'track', target: { ...kernel.target('c'), ownNetwork: false } });
    clock.leap(200);
    expect(samples()[0]![0]!.network).toEqual({ received: 0, sent: 0 });
  });
});

describe('the end', () => {
  it.each([
    ['a zombie', () => kernel.process(42, 1000, 'Z')],
    ['a dead one', () => kernel.process(42, 1000, 'X')],
  ])('%s: told once', (_, end) => {
    track();
    end();
    clock.leap(200);
    clock.leap(1000);
    expect(kinds()).toEqual(['started', 'exit', 'sample', 'sample']);
    expect(told[1]).toEqual({ tell: 'exit', id: 'c', pid: 42 });
  });

  it.each([
    ['there is no such process', () => track('c', 43)],
    ['the pid is another process by now', () => track('c', 42, 999)],
    ['its cgroup is gone', () => track('gone')],
  ])('before tracking: %s', (_, act) => {
    act();
    expect(told.slice(1)).toEqual([expect.objectContaining({ tell: 'exit' })]);
    expect(openFiles()).toBe(1); // /proc/stat
  });
});

describe('an OOM kill', () => {
  it('is told once for each, before the end', () => {
    track();
    kernel.v2('c', 1, 1);
    clock.leap(200);
    clock.leap(1000);
    kernel.v2('c', 1, 3);
    kernel.process(42, 1000, 'Z');
    clock.leap(1000);
    const words = told.filter(({ tell }) => tell !== 'sample');
    expect(words).toMatchObject([
      { tell: 'started' },
      { tell: 'oom', id: 'c', pid: 42, kills: 1 },
      { tell: 'oom', kills: 3 },
      { tell: 'exit' },
    ]);
  });
});

describe('a file that is not understood', () => {
  it('is told by name, and ends the tracking of that container alone', () => {
    kernel.v2('d', 1);
    kernel.process(43, 1);
    track();
    track('d', 43, 1);
    kernel.set('c/memory.current', 'lots\n');
    clock.leap(200);
    clock.leap(1000);
    expect(kinds()).toEqual(['started', 'error', 'sample', 'sample']);
    expect(told[1]).toMatchObject({
      id: 'c',
      error: {
        code: 'ERR_UNSUPPORTED',
        message: `${kernel.at('c/memory.current')}: expected a number, found "lots"`,
      },
    });
    expect(samples()[1]!.map(({ id }) => id)).toEqual(['d']);
  });
});

describe('requests', () => {
  it('a container started anew is tracked as its new process, from nothing', () => {
    track();
    clock.leap(200);
    kernel.process(77, 5000);
    track('c', 77, 5000);
    clock.leap(1000);
    expect(samples()[1]![0]).toMatchObject({ pid: 77, before: { at: 200 } });
    expect(kinds()).not.toContain('exit');
  });

  it('untrack closes the files; unknown ids do nothing', () => {
    track();
    expect(openFiles()).toBeGreaterThan(5);
    supervisor.handle({ ask: 'untrack', id: 'other' });
    supervisor.handle({ ask: 'untrack', id: 'c' });
    supervisor.handle({ ask: 'untrack', id: 'c' });
    expect(openFiles()).toBe(1);
    clock.leap(200);
    expect(samples()).toEqual([[]]);
  });

  it('nothing comes after stop', () => {
    track();
    supervisor.handle({ ask: 'stop' });
    supervisor.handle({ ask: 'stop' });
    track();
    clock.leap(5000);
    supervisor.start();
    expect(kinds()).toEqual(['started']);
    expect(clock.timers.size).toBe(0);
    expect(openFiles()).toBe(0);
  });
});
