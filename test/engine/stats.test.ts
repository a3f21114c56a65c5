import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { runContainer } from '../../src/engine/run.js';
import { type ContainerStats, type StatsOptions, streamStats } from '../../src/engine/stats.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { cgroupDirectories, supervisionTarget } from '../../src/engine/supervision-target.js';
import { type CgroupLayout, cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { runCli } from '../helpers/cli-run.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { busyboxImage } from './busybox-image.js';

const MIB = 1024 ** 2;

describe("where a container's cgroup is", () => {
  const layout = (facts: Partial<CgroupLayout>): CgroupLayout => ({
    version: 'v1',
    controllers: new Map(),
    swapLimit: false,
    blockWeight: true,
    ...facts,
  });
  it('v2', () => {
    const controllers = new Map([['memory', '/sys/fs/cgroup']]);
    expect(cgroupDirectories(layout({ version: 'v2', controllers }), 'x')).toEqual({
      unified: '/sys/fs/cgroup/gantry/x',
    });
  });
  it('v1, with what the host has', () => {
    const controllers = new Map([
      ['cpuacct', '/c/cpu,cpuacct'],
      ['cpu', '/c/cpu,cpuacct'],
      ['memory', '/c/memory'],
      ['devices', '/c/devices'],
    ]);
    expect(cgroupDirectories(layout({ controllers }), 'x')).toEqual({
      cpuacct: '/c/cpu,cpuacct/gantry/x',
      cpu: '/c/cpu,cpuacct/gantry/x',
      memory: '/c/memory/gantry/x',
    });
  });
  it('hybrid: v2 only where it holds a controller', () => {
    const controllers = new Map([['memory', '/c/memory']]);
    const hybrid = (names: string[]) =>
      cgroupDirectories(
        layout({ version: 'hybrid', controllers, unified: { path: '/c/unified', controllers: names } }),
        'x',
      );
    expect(hybrid(['pids'])).toEqual({ memory: '/c/memory/gantry/x', unified: '/c/unified/gantry/x' });
    expect(hybrid([])).toEqual({ memory: '/c/memory/gantry/x' });
  });
});

/** Nanoseconds, by the kernel. */
function cpuUsed(id: string): number {
  const { cpuacct, unified } = cgroupDirectories(cgroupLayout(), id);
  if (cpuacct !== undefined) return Number(readFileSync(join(cpuacct, 'cpuacct.usage'), 'utf8'));
  const [, used] = /^usage_usec (\d+)/m.exec(readFileSync(join(unified!, 'cpu.stat'), 'utf8'))!;
  return 1000 * Number(used);
}

function whyNot(): string | undefined {
  const why = whyNoContainers();
  if (why !== undefined) return why;
  if (!existsSync(join(import.meta.dirname, '../../dist/workers/supervisor.js')))
    return 'needs npm run build';
  return undefined;
}
const why = whyNot();

describe.skipIf(why !== undefined)(`stats of real containers${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  beforeAll(() => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
  });
  afterAll(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const request = (flags: RunFlags, script: string) =>
    createRequest(flags, 'busybox', ['sh', '-c', script], {
      env: {},
      cwd: '/',
      cpuCount: 2,
      readFile: () => '',
    });

  /** Runs in the background until it ends or `stop` is called, which gives the exit code. */
  async function background(flags: RunFlags & { readonly name: string }, script: string) {
    const code = runContainer(store, await busyboxImage(store), request(flags, script), {
      stdin: Readable.from([]),
      stdout: new PassThrough().resume(),
      stderr: new PassThrough().resume(),
      signalProxy: false,
    });
    for (;;) {
      const found = (await listContainers(store)).find(({ Name }) => Name === `/${flags.name}`);
      if (found?.State.Running) break;
      await sleep(20);
    }
    return {
      code,
      stop: async () => {
        await removeContainer(store, flags.name, { force: true });
        return code;
      },
    };
  }

  async function collect(options: Partial<StatsOptions>): Promise<ContainerStats[][]> {
    const batches: ContainerStats[][] = [];
    for await (const batch of streamStats(store, { interval: 200, ...options })) batches.push(batch);
    return batches;
  }

  it('tells half a CPU as 50 %, a limit of 500M as 500MiB, and docker’s line', async () => {
    const burner = await background({ name: 'burner', cpus: '0.5', memory: '500M' }, 'while :; do :; done');
    try {
      // Beside other busy processes it may get less than its half, so the kernel's own count says what is right.
      const apart: number[] = [];
      let before: { readonly used: number; readonly at: number } | undefined;
      for await (const [burning] of streamStats(store, { interval: 2000, count: 6 })) {
        const now = { used: cpuUsed(burning!.id), at: performance.now() };
        expect(burning).toMatchObject({
          name: 'burner',
          state: 'sampled',
          usage: { memoryLimit: 500 * MIB, netReceived: 0, pids: 1 },
        });
        const { cpuPercent } = burning!.usage;
        if (before !== undefined) {
          expect(cpuPercent).toBeLessThan(52);
          const counted = (now.used - before.used) / 1e4 / (now.at - before.at);
          expect(counted).toBeGreaterThan(5);
          apart.push(Math.abs(cpuPercent - counted));
        }
        before = now;
        if (apart.some((points) => points < 2)) break;
      }
      expect(Math.min(...apart)).toBeLessThan(2);
      const { out, code } = await runCli(store.root, 'stats', '--no-stream');
      const [header, line] = out.split('\n');
      expect(code).toBe(0);
      expect(header).toBe(
        'CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS',
      );
      expect(line).toMatch(
        /^[0-9a-f]{12} {3}burner {4}\d+\.\d\d% +\d+(\.\d+)?[KM]iB \/ 500MiB +0\.\d\d% +0B \/ 0B +0B \/ 0B +1$/,
      );
    } finally {
      expect(await burner.stop()).toBe(137);
    }
  }, 60_000);

  it('a container that fills the page cache needs no more memory', async () => {
    const fill = 'dd if=/dev/zero of=/filler bs=1M count=64 && exec sleep 60';
    const filler = await background({ name: 'filler' }, fill);
    try {
      for (const end = Date.now() + 15_000; Date.now() < end; ) {
        const [[filling]] = (await collect({ count: 1 })) as [[ContainerStats]];
        expect(filling.usage.memory).toBeLessThan(16 * MIB);
        if (filling.sample !== undefined && filling.sample.memory.usage > 60 * MIB) return;
      }
      throw new Error('the cache was not filled');
    } finally {
      await filler.stop();
    }
  }, 30_000);

  it('follows containers that come and go', async () => {
    const seen: string[] = [];
    const abort = new AbortController();
    let other: Awaited<ReturnType<typeof background>> | undefined;
    for await (const batch of streamStats(store, { interval: 100, signal: abort.signal })) {
      const names = batch.map(({ name }) => name).join();
      if (names !== seen.at(-1)) seen.push(names);
      if (seen.length === 1) other ??= await background({ name: 'guest' }, 'sleep 60');
      else if (batch[0]?.state === 'sampled') await other!.stop();
      else if (seen.length === 3) abort.abort();
    }
    expect(seen).toEqual(['', 'guest', '']);
  }, 20_000);

  it('a named one that ends stays with zeros until it is removed, and then the stream ends', async () => {
    const { stop, code } = await background({ name: 'short' }, 'sleep 1');
    const states: string[] = []; // "waiting" may come between, until its end is written down
    for await (const [only] of streamStats(store, { interval: 100, names: ['short'] })) {
      if (only !== undefined && only.state !== states.at(-1)) states.push(only.state);
      if (only?.state !== 'stopped') continue;
      expect(only).toMatchObject({ asked: 'short', usage: { cpuPercent: 0, memoryLimit: 0, pids: 0 } });
      expect(await code).toBe(0);
      await stop();
    }
    expect(states.filter((state) => state !== 'waiting')).toEqual(['sampled', 'stopped']);
  }, 20_000);

  it('stopped ones with -a, as docker shows them; an unknown name is an error', async () => {
    const { id } = await createContainer(store, await busyboxImage(store), request({ name: 'made' }, 'true'));
    expect((await collect({ count: 1 })).flat()).toEqual([]);
    const { out } = await runCli(store.root, 'stats', '--no-stream', '-a');
    expect(out.split('\n')[1]).toBe(
      `${id.slice(0, 12)}   made      0.00%     0B / 0B             0.00%     0B / 0B   0B / 0B     0`,
    );
    expect(await runCli(store.root, 'stats', 'nobody')).toEqual({
      out: '',
      err: 'gantry: No such container: nobody\n',
      code: 1,
    });
    await removeContainer(store, 'made');
  });

  it('an OOM kill is told', async () => {
    const events: string[] = [];
    const { code, stop } = await background(
      { name: 'hungry', memory: '20M', memorySwap: '20M' },
      'sleep 0.5; (x=x; while :; do x=$x$x; done); sleep 60',
    );
    for await (const _ of streamStats(store, {
      interval: 50,
      onEvent: ({ tell }) => events.push(tell),
    })) {
      if (events.includes('oom')) break;
    }
    expect(events).toEqual(['oom']);
    await stop();
    expect(await code).toBe(137);
  }, 20_000);

  it('knows nothing to track of one that does not run', async () => {
    const { id } = await createContainer(store, await busyboxImage(store), request({}, 'true'));
    const [record] = await listContainers(store);
    const layout: CgroupLayout = {
      version: 'v2',
      controllers: new Map(),
      swapLimit: false,
      blockWeight: true,
    };
    expect(supervisionTarget(record!, { NetworkMode: 'none' }, layout)).toBeUndefined();
    await removeContainer(store, id);
  });
});
