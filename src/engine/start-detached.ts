/**
 * A container that outlives its starter: conmon is its parent (runtime/conmon.ts).
 *
 *   lock ─ settle ─ mount ─ bundle ─ conmon: create ─ start ─ record "running" ─ unlock
 *
 * A record says "running" only after the start. A kill before that leaves a bundle beside a record that does not run,
 * and the next command takes both processes away (containers.ts).
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { type SuperviseOptions, supervise } from '../runtime/conmon.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { type Move, transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { HostConfig } from '../runtime/create-request.js';
import { probeCommand } from '../runtime/health.js';
import { exitDirectory } from '../runtime/host-facts.js';
import { logLimits, shimLogBytes } from '../runtime/log-config.js';
import { keepShimLog } from '../runtime/log-conversion.js';
import { shimLogPath } from '../runtime/log-paths.js';
import { identify } from '../runtime/process-identity.js';
import { startExitCode } from '../runtime/runtime-error.js';
import { cleanupCommand } from './cleanup-command.js';
import { findContainer, settleLocked } from './containers.js';
import { conclude, releaseResources } from './end-container.js';
import { containerEvent, recordEvents, volumeUse } from './events.js';
import { type PrepareOptions, prepareContainer } from './prepare-container.js';
import { startHealthMonitor } from './start-health-monitor.js';
import type { Store } from './store.js';

export interface DetachedOptions extends PrepareOptions {
  /** What begins this program, for conmon to call it: `['/usr/bin/node', '/…/gantry.js']`. */
  readonly gantry: readonly [string, ...string[]];
  /** Called when it is made and does not run yet: who attaches now misses nothing. */
  readonly onCreated?: (bundle: string) => void;
}

/**
 * Starts a created or exited container, again over the same write layer; gives its id. One that runs already is left
 * alone, as Docker does. ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE, ERR_CONFLICT (paused, dead), ERR_RUNTIME;
 * ERR_RUNTIME_MISSING where the host has no runtime or no conmon.
 */
export async function startDetached(
  store: Store,
  what: string,
  options: DetachedOptions,
): Promise<ContainerID> {
  return (await startUnlessRunning(store, what, options)).ID;
}

/** The same; gives the record of the running container, and calls `check` with the one before. */
export async function startUnlessRunning(
  store: Store,
  what: string,
  options: DetachedOptions,
  check?: (record: ContainerRecord) => void,
): Promise<ContainerRecord> {
  const { ID: id } = await findContainer(store, what);
  const records = new ContainerStore(store.root);
  const held = await store.lockNamed('containers', id);
  try {
    const record = await settleLocked(store, records, id);
    if (record === undefined) throw new GantryError('ERR_NOT_FOUND', `No such container: ${what}`);
    check?.(record);
    if (record.State.Running && !record.State.Paused) return record;
    const wanted = { ...record, RestartCount: 0, HasBeenManuallyStopped: false };
    return await startLocked(store, records, wanted, options);
  } finally {
    held.release();
  }
}

/** The same for who holds the lock and has settled the record; a failure is written down. */
async function startLocked(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  options: DetachedOptions,
): Promise<ContainerRecord> {
  const self = identify(process.pid)!;
  transition(record.State, { to: 'start', at: '', process: self, supervisor: self }); // refused before anything is done
  try {
    return await bringUp(store, records, record, options);
  } catch (error) {
    await conclude(store, records, record, failedStart(error));
    throw error;
  }
}

/** What a record is told of a start that came to nothing. */
export const failedStart = (error: unknown): Move & { to: 'failed' } => ({
  to: 'failed',
  exitCode: startExitCode(error),
  error: error instanceof Error ? error.message : String(error),
});

/** From a record that may start to a running container and its record; all undone when it does not come to that. */
export async function bringUp(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  options: DetachedOptions,
): Promise<ContainerRecord> {
  const { ID: id, Config: settings } = record;
  let networked: Promise<void> | undefined;
  try {
    const prepared = await prepareContainer(store, records, record, options);
    networked = prepared.networked;
    const exits = exitDirectory(store.root);
    mkdirSync(exits, { recursive: true, mode: 0o700 });
    rmSync(join(exits, id), { force: true });
    const log = shimLog(records, id, prepared.hostConfig);
    const supervised = await supervise({
      ...prepared,
      id,
      name: record.Name.replace(/^\//, ''),
      exitDirectory: exits,
      ...(log === undefined ? {} : { log }),
      terminal: settings.Tty ?? false,
      openStdin: settings.OpenStdin ?? false,
      leaveStdinOpen: !settings.StdinOnce,
      exitCommand: cleanupCommand(options.gantry, store, id),
      environment: {
        PATH: options.searchPath || '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ...(options.runtime === undefined ? {} : { GANTRY_RUNTIME: options.runtime }),
      },
      ...(options.searchPath === undefined ? {} : { path: options.searchPath }),
      command: record.Path,
    }).finally(prepared.created);
    if (typeof log === 'object') keepShimLog(records.path(id));
    options.onCreated?.(prepared.bundle);
    await networked;
    await supervised.start();
    const at = new Date().toISOString();
    const { process: first, shim } = supervised;
    const State = transition(record.State, {
      to: 'start',
      at,
      process: first,
      supervisor: shim,
      detached: true,
      healthcheck: probeCommand(settings) !== undefined,
    });
    const running = { ...record, State, HasBeenStartedBefore: true, Gantry: options.gantry };
    records.put(running, { sync: false });
    recordEvents(store, [...volumeUse(record, 'mount'), containerEvent(record, 'start')]);
    await startHealthMonitor(store, [running]);
    return running;
  } catch (error) {
    await networked?.catch(() => {}); // nothing comes to it any more
    await releaseResources(store, id);
    throw error;
  }
}

/** Where conmon is to write what the container prints. */
function shimLog(
  records: ContainerStore,
  id: ContainerID,
  { LogConfig }: HostConfig,
): SuperviseOptions['log'] {
  if (LogConfig?.Type === 'journald') return 'journald';
  const limits = logLimits(LogConfig);
  return limits && { path: shimLogPath(records.path(id)), maxBytes: shimLogBytes(limits) };
}
