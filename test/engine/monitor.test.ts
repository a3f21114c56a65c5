import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Monitor, type MonitorEvent, type Thread } from '../../src/engine/monitor.js';
import { identify } from '../../src/runtime/process-identity.js';
import type { Notice, Request } from '../../src/supervisor/messages.js';
import type { Sample } from '../../src/supervisor/sample.js';
import type { Target } from '../../src/supervisor/tracked.js';
import type { SupervisorData } from '../../workers/supervisor.js';

const target = (id: string, pid = 1, startTicks = 1): Target => ({
  id,
  pid,
  startTicks,
  cgroup: {},
  ownNetwork: false,
});
const batch = (...ids: string[]): Notice => ({
  tell: 'sample',
  samples: ids.map((id) => ({ id }) as Sample),
});

/** A thread played by hand. */
class FakeThread implements Thread {
  data!: SupervisorData;
  asked: Request[] = [];
  terminated = false;
  #heard = new Map<string, (value: never) => void>();
  postMessage(request: Request): void {
    this.asked.push(request);
  }
  on(event: string, heard: (value: never) => void): void {
    this.#heard.set(event, heard);
  }
  terminate(): void {
    this.terminated = true;
    this.exit(1);
  }
  tell(notice: Notice): void {
    this.#heard.get('message')!(notice as never);
  }
  fail(error: Error): void {
    this.#heard.get('error')!(error as never);
  }
  exit(code: number): void {
    this.#heard.get('exit')!(code as never);
  }
}

function monitored(onEvent?: (event: MonitorEvent) => void) {
  const thread = new FakeThread();
  const monitor = new Monitor({
    interval: 1000,
    ...(onEvent ? { onEvent } : {}),
    spawn: (data) => {
      thread.data = data;
      return thread;
    },
  });
  return { thread, monitor };
}

async function running(onEvent?: (event: MonitorEvent) => void) {
  const { thread, monitor } = monitored(onEvent);
  const started = monitor.start();
  thread.tell({ tell: 'started' });
  await started;
  return { thread, monitor };
}

const died = expect.objectContaining({ code: 'ERR_WORKER_DIED' });
afterEach(() => vi.useRealTimers());

describe('states', () => {
  it('idle, starting, running, stopping, stopped', async () => {
    const { thread, monitor } = monitored();
    expect(monitor.state).toBe('idle');
    const started = monitor.start();
    expect(monitor.state).toBe('starting');
    expect(monitor.start()).toBe(started);
    thread.tell({ tell: 'started' });
    await started;
    expect(monitor.state).toBe('running');
    const stopped = monitor.stop();
    expect(monitor.state).toBe('stopping');
    expect(monitor.stop()).toBe(stopped);
    expect(thread.asked).toEqual([{ ask: 'stop' }]);
    thread.exit(0);
    await stopped;
    expect(monitor.state).toBe('stopped');
    expect(await monitor.next()).toBeUndefined();
  });

  it('stopped before it began: nothing is spawned', async () => {
    const { thread, monitor } = monitored();
    await monitor.stop();
    expect(monitor.state).toBe('stopped');
    await expect(monitor.start()).rejects.toMatchObject({ code: 'ERR_CANCELED' });
    expect(thread.data).toBeUndefined();
  });

  it('stopped while it starts: start is refused, also when "started" comes late', async () => {
    const { thread, monitor } = monitored();
    const started = monitor.start();
    const stopped = monitor.stop();
    thread.tell({ tell: 'started' });
    expect(monitor.state).toBe('stopping');
    thread.exit(0);
    await stopped;
    await expect(started).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  });

  it('a thread that does not end is ended', async () => {
    vi.useFakeTimers();
    const { thread, monitor } = await running();
    const stopped = monitor.stop();
    vi.advanceTimersByTime(1000);
    await stopped;
    expect(thread.terminated).toBe(true);
  });
});

describe('a thread that dies', () => {
  it('while starting', async () => {
    const { thread, monitor } = monitored();
    const started = monitor.start();
    const next = monitor.next();
    thread.fail(new Error('boom'));
    thread.exit(1);
    await expect(started).rejects.toEqual(died);
    await expect(next).rejects.toMatchObject({ code: 'ERR_WORKER_DIED', cause: { message: 'boom' } });
    expect(monitor.state).toBe('stopped');
    await monitor.stop();
  });

  it('while running, without an error', async () => {
    const { thread, monitor } = await running();
    const next = monitor.next();
    thread.exit(0);
    await expect(next).rejects.toEqual(died);
    await expect(monitor.next()).rejects.toEqual(died);
    monitor.track(target('a'));
    expect(monitor.targets.size).toBe(0);
    expect(thread.asked).toEqual([]);
  });

  it('while stopping: that is what was asked for', async () => {
    const { thread, monitor } = await running();
    const next = monitor.next();
    const stopped = monitor.stop();
    thread.fail(new Error('boom'));
    await stopped;
    expect(await next).toBeUndefined();
  });
});

describe('samples', () => {
  it('latest wins, each batch is given once', async () => {
    const { thread, monitor } = await running();
    thread.tell(batch('old'));
    thread.tell(batch('new'));
    expect(await monitor.next()).toEqual([{ id: 'new' }]);
    const next = monitor.next();
    thread.tell(batch('newer'));
    expect(await next).toEqual([{ id: 'newer' }]);
  });

  it('the thread is told that they were taken', async () => {
    const { thread } = await running();
    const { untaken } = thread.data;
    Atomics.add(untaken, 0, 1);
    thread.tell(batch());
    expect(Atomics.load(untaken, 0)).toBe(0);
  });

  it('an aborted signal ends the waiting, before and while', async () => {
    const { monitor } = await running();
    const abort = new AbortController();
    const next = monitor.next(abort.signal);
    abort.abort();
    expect(await next).toBeUndefined();
    expect(await monitor.next(abort.signal)).toBeUndefined();
  });
});

describe('tracking', () => {
  it('works while starting; the same process once, a new one again', async () => {
    const { thread, monitor } = monitored();
    monitor.track(target('early'));
    void monitor.start();
    for (const one of [target('a'), target('a'), target('a', 2), target('a', 2, 9)]) monitor.track(one);
    monitor.untrack('a');
    monitor.untrack('a');
    expect(thread.asked).toEqual([
      { ask: 'track', target: target('a') },
      { ask: 'track', target: target('a', 2) },
      { ask: 'track', target: target('a', 2, 9) },
      { ask: 'untrack', id: 'a' },
    ]);
  });

  it('tells ends of what is tracked, and forgets it', async () => {
    const events: MonitorEvent[] = [];
    const { thread, monitor } = await running((event) => events.push(event));
    monitor.track(target('a'));
    thread.tell({ tell: 'oom', id: 'a', pid: 1, kills: 1 });
    thread.tell({ tell: 'exit', id: 'a', pid: 1 });
    thread.tell({ tell: 'exit', id: 'a', pid: 1 });
    expect(events).toMatchObject([{ tell: 'oom' }, { tell: 'exit' }]);
    monitor.track(target('a'));
    expect(thread.asked).toHaveLength(2);
  });

  it('not those that crossed an untrack, or the start of a new process', async () => {
    const events: MonitorEvent[] = [];
    const { thread, monitor } = await running((event) => events.push(event));
    monitor.track(target('a', 1));
    monitor.track(target('a', 2));
    thread.tell({ tell: 'exit', id: 'a', pid: 1 });
    monitor.track(target('b'));
    monitor.untrack('b');
    thread.tell({ tell: 'oom', id: 'b', pid: 1, kills: 1 });
    thread.tell({ tell: 'exit', id: 'b', pid: 1 });
    expect(events).toEqual([]);
    expect([...monitor.targets.keys()]).toEqual(['a']);
  });
});

const built = existsSync(join(import.meta.dirname, '../../dist/workers/supervisor.js'));
describe.skipIf(!built)(`the real thread${built ? '' : ' (skipped: needs npm run build)'}`, () => {
  it('samples this process, tells one that is gone, and ends', async () => {
    const { Pid: pid, StartTicks: startTicks } = identify(process.pid)!;
    const events: MonitorEvent[] = [];
    const monitor = new Monitor({ interval: 20, onEvent: (event) => events.push(event) });
    const started = monitor.start();
    // No directory at all is no cgroup; that of any process will do.
    const cgroup = { cpu: '/proc/self' };
    monitor.track({ id: 'self', pid, startTicks, cgroup, ownNetwork: true });
    monitor.track({ id: 'gone', pid, startTicks: startTicks + 1, cgroup, ownNetwork: true });
    await started;
    const [first] = (await monitor.next())!;
    const [second] = (await monitor.next())!;
    expect(first).toMatchObject({ id: 'self', pid, system: { cpus: expect.any(Number) } });
    expect(second!.before!.at).toBeGreaterThanOrEqual(first!.at);
    expect(events).toEqual([{ tell: 'exit', id: 'gone', pid }]);
    await monitor.stop();
    expect(monitor.state).toBe('stopped');
  });
});
