/** `docker logs`: what a container printed, converted first, from Docker's own files (runtime/log-conversion.ts). */
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
  const records = new ContainerStore(store.root);
  const { ID: id } = await findContainer(store, what);
  if (logLimits(records.hostConfig(id).LogConfig) === undefined) {
    throw new GantryError('ERR_UNSUPPORTED', 'configured logging driver does not support reading');
  }
  const reader = new LogReader(records.path(id));
  const wanted = ({ time }: LogEntry) =>
    (options.since === undefined || comparable(time) >= comparable(options.since)) &&
    (options.until === undefined || comparable(time) <= comparable(options.until));
  await keepLog(store, id);
  const first = reader.next().filter(wanted);
  yield* options.tail === undefined ? first : first.slice(Math.max(0, first.length - options.tail));
  while (options.follow && !options.signal?.aborted) {
    // The look at the state comes before the look at the log: what it printed last is not missed.
    const over = await hasEnded(store, id);
    if (over === 'gone') return;
    await keepLog(store, id);
    yield* reader.next().filter(wanted);
    if (over) return;
    await sleep(POLL_MS, undefined, options.signal ? { signal: options.signal } : {}).catch(() => {});
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
