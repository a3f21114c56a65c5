/**
 * `docker stats`: what containers use, again and again. The choice follows the store: without names, containers that
 * start are joined and those that end leave; a named one that ends stays, with nothing used, until it is removed.
 */
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import { cpuPercent, memoryPercent, memoryUsed } from '../supervisor/formulas.js';
import type { Sample } from '../supervisor/sample.js';
import { findContainer, listContainers } from './containers.js';
import { FIRST_MS, Monitor, type MonitorEvent } from './monitor.js';
import type { Store } from './store.js';
import { supervisionTarget } from './supervision-target.js';

/** Bytes, and percent of one CPU. */
export interface Usage {
  readonly cpuPercent: number;
  readonly memory: number;
  readonly memoryLimit: number;
  readonly memoryPercent: number;
  readonly netReceived: number;
  readonly netSent: number;
  readonly blockRead: number;
  readonly blockWritten: number;
  readonly pids: number;
}

export interface ContainerStats {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** As the user named it; else the id. */
  readonly asked: string;
  /** `waiting`: it runs, but there is no sample of it yet, or its files cannot be read. */
  readonly state: 'sampled' | 'waiting' | 'stopped';
  readonly usage: Usage;
  /** The sample behind `usage`. */
  readonly sample?: Sample;
}

export interface StatsOptions {
  readonly names?: readonly string[];
  /** Without names: stopped containers too. */
  readonly all?: boolean;
  /** Milliseconds between batches. */
  readonly interval: number;
  /** Batches; without end by default. */
  readonly count?: number;
  /** Ends the stream, which is no error. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: MonitorEvent) => void;
}

const NOTHING: Usage = {
  cpuPercent: 0,
  memory: 0,
  memoryLimit: 0,
  memoryPercent: 0,
  netReceived: 0,
  netSent: 0,
  blockRead: 0,
  blockWritten: 0,
  pids: 0,
};

/**
 * A batch at every interval, the first one sooner; each is two samples at least, so that CPU % is that of the time
 * between. ERR_NOT_FOUND, ERR_AMBIGUOUS for names; ERR_WORKER_DIED.
 */
export async function* streamStats(store: Store, options: StatsOptions): AsyncGenerator<ContainerStats[]> {
  const { names = [], interval, count = Number.POSITIVE_INFINITY, signal } = options;
  const asked = new Map<string, string>();
  for (const name of names) asked.set((await findContainer(store, name)).ID, name);
  const records = new ContainerStore(store.root);
  const layout = cgroupLayout();
  /** Processes that ended or cannot be watched: not to be tracked again while their record still says "running". */
  const over = new Map<string, number>();
  let settled = false;
  const monitor = new Monitor({
    interval,
    // A single batch is that of a whole interval; a stream shows something early.
    first: count === 1 ? interval : Math.min(interval, FIRST_MS),
    onEvent: (event) => {
      if (event.tell !== 'oom') over.set(event.id, event.pid);
      options.onEvent?.(event);
    },
  });
  try {
    let chosen = await choose();
    const started = monitor.start();
    track(chosen);
    await started;
    for (let batch = 0; batch < count && !(asked.size > 0 && chosen.length === 0); batch++) {
      const samples = await monitor.next(signal);
      if (samples === undefined) return;
      chosen = await choose();
      track(chosen);
      const byID = new Map(samples.map((sample) => [sample.id, sample]));
      yield chosen.map((record) => statsOf(record, asked.get(record.ID), byID.get(record.ID)));
    }
  } finally {
    await monitor.stop();
  }

  /** Records lag behind only where a process has ended: settling them all each time would cost more than the sampling. */
  async function choose(): Promise<ContainerRecord[]> {
    const all = settled ? records.list() : await listContainers(store);
    settled = true;
    if (asked.size === 0) return all.filter((record) => options.all || record.State.Running);
    const byID = new Map(all.map((record) => [record.ID as string, record]));
    return [...asked.keys()].flatMap((id) => byID.get(id) ?? []);
  }

  function track(chosen: readonly ContainerRecord[]): void {
    const running = new Map(
      chosen.filter(({ State }) => State.Running).map((record) => [record.ID as string, record]),
    );
    for (const id of [...monitor.targets.keys()]) if (!running.has(id)) monitor.untrack(id);
    for (const [id, record] of running) {
      const { Pid } = record.State;
      if (over.get(id) === Pid) settled = false;
      else if (monitor.targets.get(id)?.pid !== Pid) {
        const target = supervisionTarget(record, records.hostConfig(record.ID), layout);
        if (target !== undefined) monitor.track(target);
      }
    }
  }
}

function statsOf(
  record: ContainerRecord,
  asked: string | undefined,
  sample: Sample | undefined,
): ContainerStats {
  const { ID: id, Config, Image, State } = record;
  const known = { id, name: plainName(record), image: Config.Image ?? Image, asked: asked ?? id };
  if (!State.Running) return { ...known, state: 'stopped', usage: NOTHING };
  // A sample of the process before a restart is not this one's.
  if (sample?.pid !== State.Pid) return { ...known, state: 'waiting', usage: NOTHING };
  return { ...known, state: 'sampled', usage: usageOf(sample), sample };
}

export const usageOf = (sample: Sample): Usage => ({
  cpuPercent: cpuPercent(sample),
  memory: memoryUsed(sample.memory),
  memoryLimit: sample.memory.limit,
  memoryPercent: memoryPercent(sample.memory),
  netReceived: sample.network.received,
  netSent: sample.network.sent,
  blockRead: sample.io.read,
  blockWritten: sample.io.written,
  pids: sample.pids.current,
});
