/**
 * `docker logs`: what a container printed, converted first, from Docker's own files (runtime/log-conversion.ts), or from
 * systemd's journal (runtime/journal-reader.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError, isGantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { bundleDirectory } from '../runtime/bundle-directory.js';
import { reopenLog } from '../runtime/conmon-control.js';
import { ContainerStore } from '../runtime/container-store.js';
import { logLimits } from '../runtime/log-config.js';
import { convertLog } from '../runtime/log-conversion.js';
import { type LogEntry, LogReader } from '../runtime/log-reader.js';
import { findContainer } from './containers.js';
import type { Store } from './store.js';

/** A converted file of conmon's that is larger than this is given up for an empty one. */
const FRESH_BYTES = 1024 * 1024;
const POLL_MS = 100;

/** Converts what conmon wrote meanwhile. Does nothing for a container without a log. */
export async function keepLog(store: Store, id: ContainerID): Promise<void> {
  const records = new ContainerStore(store.root);
  const limits = logLimits(records.hostConfig(id).LogConfig);
  if (limits === undefined) return;
  const held = await store.lockNamed('containers', `${id}.log`);
  try {
    const directory = records.path(id);
    if (convertLog(directory, limits) >= FRESH_BYTES) reopenLog(bundleDirectory(store.root, id));
  } finally {
    held.release();
  }
}

export interface LogOptions {
  readonly follow?: boolean;
  /** The last so many entries; all where undefined. */
  readonly tail?: number;
  /** RFC 3339 in UTC. */
  readonly since?: string;
  readonly until?: string;
  readonly signal?: AbortSignal;
}

/** ERR_NOT_FOUND, ERR_AMBIGUOUS; ERR_UNSUPPORTED for a container made with `--log-driver none`. */
export async function* containerLog(
  store: Store,
  what: string,
  options: LogOptions,
): AsyncGenerator<LogEntry> {
  const { ID: id } = await findContainer(store, what);
  const { LogConfig } = new ContainerStore(store.root).hostConfig(id);
  const wanted = ({ time }: LogEntry) =>
    (options.since === undefined || comparable(time) >= comparable(options.since)) &&
    (options.until === undefined || comparable(time) <= comparable(options.until));
  if (LogConfig?.Type === 'journald') yield* journalLog(store, id, wanted, options);
  else if (logLimits(LogConfig) !== undefined) yield* fileLog(store, id, wanted, options);
  else throw new GantryError('ERR_UNSUPPORTED', 'configured logging driver does not support reading');
}

async function* fileLog(
  store: Store,
  id: ContainerID,
  wanted: (entry: LogEntry) => boolean,
  { tail, follow, signal }: LogOptions,
): AsyncGenerator<LogEntry> {
  const reader = new LogReader(new ContainerStore(store.root).path(id));
  await keepLog(store, id);
  yield* lastOf(reader.next().filter(wanted), tail);
  while (follow && !signal?.aborted) {
    // The look at the state comes before the look at the log: what it printed last is not missed.
    const over = await hasEnded(store, id);
    if (over === 'gone') return;
    await keepLog(store, id);
    yield* reader.next().filter(wanted);
    if (over) return;
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => {});
  }
}

async function* journalLog(
  store: Store,
  id: ContainerID,
  wanted: (entry: LogEntry) => boolean,
  { tail, follow, signal }: LogOptions,
): AsyncGenerator<LogEntry> {
  const { JournalReader } = await import('../runtime/journal-reader.js');
  const reader = new JournalReader(id);
  const first: LogEntry[] = [];
  for await (const entry of reader.read()) if (wanted(entry)) first.push(entry);
  yield* lastOf(first, tail);
  if (!follow) return;
  const over = new AbortController();
  const stop = (): void => over.abort();
  signal?.addEventListener('abort', stop, { once: true });
  const watching = untilEnded(store, id, over.signal).finally(stop);
  try {
    for await (const entry of reader.read(over.signal)) if (wanted(entry)) yield entry;
    if (signal?.aborted) return;
    for await (const entry of reader.read()) if (wanted(entry)) yield entry;
  } finally {
    stop();
    signal?.removeEventListener('abort', stop);
    await watching;
  }
}

const lastOf = (entries: readonly LogEntry[], count: number | undefined): readonly LogEntry[] =>
  count === undefined ? entries : entries.slice(Math.max(0, entries.length - count));

async function untilEnded(store: Store, id: ContainerID, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await hasEnded(store, id))) {
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

async function hasEnded(store: Store, id: ContainerID): Promise<boolean | 'gone'> {
  try {
    const { State } = await findContainer(store, id);
    return !State.Running && !State.Restarting;
  } catch (error) {
    if (isGantryError(error, 'ERR_NOT_FOUND')) return 'gone';
    throw error;
  }
}

/** Texts of different numbers of decimals, in the order of their times. */
const comparable = (time: string): string => {
  const [second = '', fraction = ''] = time.replace(/Z$/, '').split('.');
  return `${second}.${fraction.padEnd(9, '0')}`;
};
