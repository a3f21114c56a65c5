import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findContainer, listContainers, removeContainer } from '../../src/engine/containers.js';
import { createContainer } from '../../src/engine/create-container.js';
import { inspectContainer } from '../../src/engine/inspect-container.js';
import { runContainer } from '../../src/engine/run.js';
import { startDetached } from '../../src/engine/start-detached.js';
import { stopContainer, waitContainer } from '../../src/engine/stop-container.js';
import { openStore, type Store } from '../../src/engine/store.js';
import { usedResources } from '../../src/engine/used-resources.js';
import type { CgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { createRequest } from '../../src/runtime/flags/request.js';
import { runDirectory } from '../../src/runtime/host-facts.js';
import { findExecutable } from '../../src/runtime/oci-runtime.js';
import type { ResourceReport } from '../../src/runtime/resource-report.js';
import type { RunFlags } from '../../src/runtime/run-flags.js';
import { GANTRY } from '../helpers/gantry-process.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { whyNoContainers } from '../runtime/busybox.js';
import { FakeKernel, MIB } from '../supervisor/fake-kernel.js';
import { busyboxImage } from './busybox-image.js';

describe('the report, from a tree of text files', () => {
  let kernel: FakeKernel;
  beforeEach(() => {
    kernel = new FakeKernel();
  });
  afterEach(() => kernel.close());
  const layout = (version: 'v1' | 'v2', names: readonly string[]): CgroupLayout => ({
    version,
    controllers: new Map(names.map((name) => [name, kernel.at(version === 'v2' ? '' : name)])),
    swapLimit: false,
    blockWeight: false,
  });

  it('cgroup v2: peaks where the kernel keeps them, and no network where none was ours', () => {
    kernel.v2('gantry/x', 2.5, 1);
    const used = {
      CpuUsage: 2.5e9,
      CpuUser: 2.5e9,
      CpuSystem: 0,
      CpuPeriods: 0,
      CpuThrottledPeriods: 0,
      CpuThrottledTime: 0,
      BlockRead: 100,
      BlockWritten: 200,
      OomKills: 1,
    };
    expect(usedResources('x', layout('v2', ['memory']))).toEqual(used);
    kernel.set('gantry/x/memory.peak', `${60 * MIB}\n`);
    kernel.set('gantry/x/pids.peak', '12\n');
    expect(usedResources('x', layout('v2', ['memory']))).toEqual({
      ...used,
      MemoryPeak: 60 * MIB,
      PidsPeak: 12,
    });
  });

  it('cgroup v1, with what the host has', () => {
    kernel.set('cpuacct/gantry/x/cpuacct.usage', '3000000000\n');
    kernel.set('cpuacct/gantry/x/cpuacct.stat', 'user 200\nsystem 50\n');
    kernel.set('cpu/gantry/x/cpu.stat', 'nr_periods 25\nnr_throttled 20\nthrottled_time 7\n');
    expect(usedResources('x', layout('v1', ['cpu', 'cpuacct']))).toEqual({
      CpuUsage: 3e9,
      CpuUser: 2e9,
      CpuSystem: 5e8,
      CpuPeriods: 25,
      CpuThrottledPeriods: 20,
      CpuThrottledTime: 7,
      BlockRead: 0,
      BlockWritten: 0,
      OomKills: 0,
    });
  });

  it('nothing of a cgroup that is gone or not understood', () => {
    expect(usedResources('gone', layout('v2', ['memory']))).toBeUndefined();
    kernel.v2('gantry/x', 1);
    kernel.set('gantry/x/memory.current', 'lots\n');
    expect(usedResources('x', layout('v2', ['memory']))).toBeUndefined();
  });
});

const why = whyNoContainers() ?? (findExecutable('conmon') === undefined ? 'needs conmon' : undefined);

describe.skipIf(why !== undefined)(`what a real run used${why ? ` (skipped: ${why})` : ''}`, () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let store: Store;
  beforeAll(async () => {
    directory = temporaryDirectory();
    store = openStore(join(directory.path, 'root'));
  });
  afterEach(async () => {
    for (const { ID } of await listContainers(store)) await removeContainer(store, ID, { force: true });
  });
  afterAll(() => {
    rmSync(runDirectory(store.root), { recursive: true, force: true });
    directory.remove();
  });

  const request = (flags: RunFlags, script: string) =>
    createRequest(flags, 'busybox', ['sh', '-c', script], {
      env: {},
      cwd: directory.path,
      cpuCount: 2,
      readFile: () => '',
    });
  const run = async (flags: RunFlags, script: string, warnings: string[] = []) =>
    runContainer(store, await busyboxImage(store), request(flags, script), {
      stdin: Readable.from([]),
      stdout: new PassThrough().resume(),
      stderr: new PassThrough().resume(),
      signalProxy: false,
      onWarning: (text) => warnings.push(text),
    });
  const detach = async (flags: RunFlags, script: string) => {
    const { id } = await createContainer(
      store,
      await busyboxImage(store),
      request({ detach: true, ...flags }, script),
    );
    const options = { gantry: [process.execPath, GANTRY] as const, searchPath: process.env.PATH ?? '' };
    await startDetached(store, id, options);
    return { id, again: () => startDetached(store, id, options) };
  };
  const used = async (what: string): Promise<ResourceReport | undefined> =>
    (await findContainer(store, what)).State.Resources;

  // By its own clock: what it used is what it took, however busy the machine is.
  const burn = (ms: number) =>
    `while read up rest < /proc/self/schedstat && [ $((up / 1000000)) -lt ${ms} ]; do :; done`;
  const FILL = 'dd if=/dev/zero of=/dev/shm/x bs=1M count=24; sleep 0.2';

  it('in the foreground: a CPU burner’s seconds, a filler’s peak, its processes', async () => {
    const file = join(directory.path, 'stats.json');
    expect(await run({ name: 'fg', statsOnExit: 'stats.json' }, `${burn(600)}; ${FILL}; exit 3`)).toBe(3);
    const report = (await used('fg'))!;
    expect(report.CpuUsage).toBeGreaterThan(0.6e9);
    expect(report.CpuUsage).toBeLessThan(1.2e9);
    expect(Math.abs(report.CpuUser + report.CpuSystem - report.CpuUsage)).toBeLessThan(0.3e9);
    expect(report.MemoryPeak).toBeGreaterThan(24 * MIB);
    expect(report.MemoryPeak).toBeLessThan(60 * MIB);
    expect(report.PidsPeak ?? 2).toBeGreaterThanOrEqual(2);
    expect(report.RunTime).toBeGreaterThan(0.7e9);
    expect(report.OomKills).toBe(0);
    expect(report).not.toHaveProperty('NetworkReceived');
    const { State } = await inspectContainer(store, 'fg');
    expect(State).toMatchObject({ Resources: report });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      Name: 'fg',
      Image: 'busybox',
      ExitCode: 3,
      OOMKilled: false,
      Resources: report,
    });
  }, 30_000);

  it('throttling: a burner that gets less than it asks for', async () => {
    // So little that it is throttled however busy the machine is.
    await run({ name: 'slow', cpus: '0.05' }, burn(100));
    const report = (await used('slow'))!;
    expect(report.CpuThrottledPeriods).toBeGreaterThan(0);
    expect(report.CpuPeriods).toBeGreaterThanOrEqual(report.CpuThrottledPeriods);
    expect(report.CpuThrottledTime).toBeGreaterThan(0);
    expect(report.RunTime).toBeGreaterThan(2 * report.CpuUsage);
  }, 30_000);

  it('detached: written by the cleanup that conmon calls, also with --rm, at each end, and by rm -f', async () => {
    const file = join(directory.path, 'detached.json');
    const { id } = await detach({ rm: true, statsOnExit: file }, FILL);
    expect(await waitContainer(store, id)).toBe(0);
    const { Resources } = JSON.parse(readFileSync(file, 'utf8'));
    expect(Resources.MemoryPeak).toBeGreaterThan(24 * MIB);
    rmSync(file);

    const again = await detach({ name: 'again', statsOnExit: file }, 'exec sleep 600');
    expect(await used('again')).toBeUndefined();
    await stopContainer(store, 'again', { timeout: 0 });
    expect((await used('again'))!.MemoryPeak).toBeLessThan(24 * MIB);
    const first = readFileSync(file, 'utf8');
    await again.again();
    expect(await used('again')).toBeUndefined();
    await removeContainer(store, 'again', { force: true });
    const second = readFileSync(file, 'utf8');
    expect(second).not.toBe(first);
    expect(JSON.parse(second)).toMatchObject({ ExitCode: 137, Resources: { OomKills: 0 } });
  }, 30_000);

  it('counts OOM kills', async () => {
    const code = await run({ name: 'hungry', memory: '20M', memorySwap: '20M' }, 'exec tail /dev/zero');
    expect(code).toBe(137);
    expect((await findContainer(store, 'hungry')).State.OOMKilled).toBe(true);
    const report = (await used('hungry'))!;
    expect(report.OomKills).toBeGreaterThan(0);
    expect(report.MemoryPeak).toBeGreaterThan(18 * MIB);
    expect(report.MemoryPeak).toBeLessThanOrEqual(20 * MIB);
  });

  it('refuses a file that cannot be, before anything is made; a later failure is told and changes no exit code', async () => {
    await expect(run({ statsOnExit: '/nowhere/stats.json' }, 'true')).rejects.toThrow(
      'expected a directory /nowhere',
    );
    await expect(run({ statsOnExit: '/dev/null' }, 'true')).rejects.toThrow('expected a file or nothing');
    expect(existsSync('/dev/null')).toBe(true);
    expect(await listContainers(store)).toEqual([]);
    const lost = join(directory.path, 'lost');
    mkdirSync(join(lost, 'sub'), { recursive: true });
    const warnings: string[] = [];
    const flags = { volume: [`${lost}:/lost`], statsOnExit: join(lost, 'sub/x'), name: 'lost' };
    expect(await run(flags, 'rmdir /lost/sub; exit 5', warnings)).toBe(5);
    expect(warnings).toEqual([expect.stringContaining('--stats-on-exit: ENOENT')]);
    expect((await findContainer(store, 'lost')).State).toMatchObject({ ExitCode: 5, Error: warnings[0] });
  });
});
