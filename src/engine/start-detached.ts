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
import { supervise } from '../runtime/conmon.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { exitDirectory } from '../runtime/host-facts.js';
import { logLimits, shimLogBytes } from '../runtime/log-config.js';
import { keepShimLog } from '../runtime/log-conversion.js';
import { shimLogPath } from '../runtime/log-paths.js';
import { identify } from '../runtime/process-identity.js';
import { startExitCode } from '../runtime/runtime-error.js';
import { cleanupCommand } from './cleanup-command.js';
import { conclude, findContainer, releaseResources, settleLocked } from './containers.js';
import { recordContainerEvent } from './events.js';
import { type PrepareOptions, prepareContainer } from './prepare-container.js';
import type { Store } from './store.js';

export interface DetachedOptions extends PrepareOptions {
  /** What begins this program, for conmon to call it: `['/usr/bin/node', '/…/gantry.js']`. */
  readonly gantry: readonly [string, ...string[]];
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
  const { ID: id } = await findContainer(store, what);
  const records = new ContainerStore(store.root);
  const held = await store.lockNamed('containers', id);
  try {
    const record = await settleLocked(store, records, id);
    if (record === undefined) throw new GantryError('ERR_NOT_FOUND', `No such container: ${what}`);
    if (record.State.Running && !record.State.Paused) return id;
    await startLocked(store, records, { ...record, RestartCount: 0, HasBeenManuallyStopped: false }, options);
    return id;
  } finally {
    held.release();
  }
}

/** The same for who holds the lock and has settled the record. */
export async function startLocked(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  options: DetachedOptions,
): Promise<void> {
  const { ID: id, Config: settings } = record;
  const self = identify(process.pid)!;
  transition(record.State, { to: 'start', at: '', process: self, supervisor: self }); // refused before anything is done
  try {
    const prepared = await prepareContainer(store, records, record, options);
    const exits = exitDirectory(store.root);
    mkdirSync(exits, { recursive: true, mode: 0o700 });
    rmSync(join(exits, id), { force: true });
    const limits = logLimits(records.hostConfig(id).LogConfig);
    const supervised = await supervise({
      ...prepared,
      id,
      name: record.Name.replace(/^\//, ''),
      exitDirectory: exits,
      ...(limits === undefined
        ? {}
        : { log: { path: shimLogPath(records.path(id)), maxBytes: shimLogBytes(limits) } }),
      terminal: settings.Tty ?? false,
      openStdin: settings.OpenStdin ?? false,
      leaveStdinOpen: !settings.StdinOnce,
      exitCommand: cleanupCommand(options.gantry, store.root, id),
      environment: {
        PATH: options.searchPath || '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ...(options.runtime === undefined ? {} : { GANTRY_RUNTIME: options.runtime }),
      },
      ...(options.searchPath === undefined ? {} : { path: options.searchPath }),
      command: record.Path,
    });
    if (limits !== undefined) keepShimLog(records.path(id));
    await supervised.start();
    const at = new Date().toISOString();
    const { process: first, shim } = supervised;
    const State = transition(record.State, {
      to: 'start',
      at,
      process: first,
      supervisor: shim,
      detached: true,
    });
    records.put({ ...record, State, Gantry: options.gantry }, { sync: false });
    recordContainerEvent(store, record, 'start');
  } catch (error) {
    await releaseResources(store, id);
    const message = error instanceof Error ? error.message : String(error);
    await conclude(store, records, record, { to: 'failed', exitCode: startExitCode(error), error: message });
    throw error;
  }
}
