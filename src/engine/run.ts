/**
 * A container in the foreground: this process is its parent, passes its streams and signals, and writes down its end.
 *
 *   lock ─ mount ─ bundle ─ create ─ start ─ record "running" ─ unlock ─── wait ─── lock ─ record "exited" ─ clean ─ unlock
 *
 * The lock is not held while it runs: `ps` and `rm -f` work beside it. A record says "running" only after the command
 * was executed, so a kill before that leaves a container that is created (or exited) still. At the end the runtime's
 * `delete`, a process, goes on beside all that does not wait for it (conclude in end-container.ts tells what a kill leaves).
 */
import type { Readable, Writable } from 'node:stream';
import { GantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import type { Lock } from '../core/lock.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';
import { transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { CreateRequest, HostConfig } from '../runtime/create-request.js';
import { probeCommand } from '../runtime/health.js';
import { type Launched, launch } from '../runtime/launch.js';
import { logLimits, shimLogBytes } from '../runtime/log-config.js';
import { identify } from '../runtime/process-identity.js';
import { rawTerminal } from '../runtime/raw-terminal.js';
import { startExitCode } from '../runtime/runtime-error.js';
import { type LogWriter, shimLogWriter } from '../runtime/shim-log-writer.js';
import { keepLog } from './container-log.js';
import { findContainer } from './containers.js';
import {
  type ContainerImage,
  type CreatedContainer,
  createContainer,
  createHeld,
} from './create-container.js';
import { conclude, releaseFiles, releaseResources, usedBy } from './end-container.js';
import { containerEvent, recordEvents, volumeUse } from './events.js';
import { forwardSignals } from './forward-signals.js';
import { prepareContainer } from './prepare-container.js';
import { startHealthMonitor } from './start-health-monitor.js';
import type { Store } from './store.js';

export interface ForegroundOptions {
  /** Read only when the container was made with an open stdin; for one with a terminal it must be a terminal. */
  readonly stdin: Readable & { readonly isTTY?: boolean; readonly fd?: number };
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** The caller's terminal, for a container with one; told again whenever `onResize`'s callback is called. */
  readonly terminalSize?: () => { readonly rows: number; readonly columns: number };
  readonly onResize?: (changed: () => void) => () => void;
  /** Send SIGINT, SIGTERM… of this process on to the container; default true. */
  readonly signalProxy?: boolean;
  /** Where no `--runtime` was given: GANTRY_RUNTIME. */
  readonly runtime?: string;
  /** What begins this program, for a health monitor: `['/usr/bin/node', '/…/gantry.js']`. */
  readonly gantry?: readonly [string, ...string[]];
  /** PATH. */
  readonly searchPath?: string;
  readonly onWarning?: (text: string) => void;
  /** Called when all stands but the container's command, which starts when this has resolved. */
  readonly onReady?: (id: ContainerID) => Promise<void>;
  /** Called after the command's end, before anything of the container is taken away. */
  readonly onEnded?: (id: ContainerID, exitCode: number) => Promise<void>;
}

/** Creates and starts; gives the exit code. Throws what `createContainer` and `startContainer` throw. */
export async function runContainer(
  store: Store,
  image: ContainerImage,
  request: CreateRequest,
  options: ForegroundOptions & { readonly onCreated?: (container: CreatedContainer) => void },
): Promise<number> {
  checkTerminal(request.config, options);
  if (request.warm !== undefined) {
    const created = await createContainer(store, image, request);
    options.onCreated?.(created);
    return startContainer(store, created.id, options);
  }
  const { record, held, ...created } = await createHeld(store, image, request);
  return runHeld(store, held, options, () => {
    options.onCreated?.(created);
    return record;
  });
}

export function checkTerminal(
  { Tty, OpenStdin }: { readonly Tty?: boolean; readonly OpenStdin?: boolean },
  options: ForegroundOptions,
): void {
  if (!Tty || !OpenStdin || options.stdin.isTTY) return;
  throw new GantryError('ERR_INVALID_ARGUMENT', 'the input device is not a TTY', {
    hint: 'leave out -t when stdin is not a terminal',
  });
}

/**
 * Starts a created or exited container, again over the same write layer, and waits for its end. Gives its exit code.
 * ERR_COMMAND_NOT_FOUND (127), ERR_COMMAND_NOT_EXECUTABLE (126), ERR_CONFLICT when it runs already, ERR_RUNTIME;
 * ERR_RUNTIME_MISSING where the host has no crun or runc.
 */
export async function startContainer(
  store: Store,
  what: string,
  options: ForegroundOptions,
): Promise<number> {
  const { ID: id } = await findContainer(store, what);
  const held = await store.lockNamed('containers', id);
  return runHeld(store, held, options, (records) => existing(records, id));
}

/** `held` is the container's lock, `find` gives its record as it is now. */
async function runHeld(
  store: Store,
  held: Lock,
  options: ForegroundOptions,
  find: (records: ContainerStore) => ContainerRecord,
): Promise<number> {
  const records = new ContainerStore(store.root);
  let id: ContainerID;
  let launched: Launched;
  let streams: Promise<unknown>;
  let detach: () => void;
  let log: LogWriter | undefined;
  try {
    const record = find(records);
    id = record.ID;
    checkTerminal(record.Config, options);
    ({ launched, streams, detach, log } = await begin(store, records, record, options));
  } finally {
    held.release();
  }
  const code = await launched.exited;
  await streams;
  detach();
  const logged = log?.close();
  try {
    await options.onEnded?.(id, code);
  } finally {
    await end(store, records, id, code, launched, options);
  }
  if (logged && records.get(id) !== undefined) await keepLog(store, id);
  return code;
}

/** To be called before the container runs, so that no output is missed. */
async function logOutput(
  records: ContainerStore,
  record: ContainerRecord,
  { LogConfig }: HostConfig,
  launched: Launched,
): Promise<LogWriter | undefined> {
  const limits = logLimits(LogConfig);
  if (limits === undefined && LogConfig?.Type !== 'journald') return undefined;
  const log =
    limits === undefined
      ? (await import('../runtime/journal-writer.js')).journalWriter({
          id: record.ID,
          name: plainName(record),
        })
      : shimLogWriter(records.path(record.ID), shimLogBytes(limits));
  launched.stdout.on('data', (bytes: Buffer) => log.write('stdout', bytes));
  launched.stderr?.on('data', (bytes: Buffer) => log.write('stderr', bytes));
  return log;
}

function existing(records: ContainerStore, id: ContainerID): ContainerRecord {
  const record = records.get(id);
  if (record === undefined) throw new GantryError('ERR_NOT_FOUND', `No such container: ${id}`);
  return record;
}

interface Begun {
  readonly launched: Launched;
  readonly streams: Promise<unknown>;
  readonly detach: () => void;
  readonly log: LogWriter | undefined;
}

/** From a record to a running process; all undone when it does not come to that. */
async function begin(
  store: Store,
  records: ContainerStore,
  record: ContainerRecord,
  options: ForegroundOptions,
): Promise<Begun> {
  const self = identify(process.pid)!;
  transition(record.State, { to: 'start', at: '', process: self, supervisor: self }); // refused before anything is done
  let networked: Promise<void> | undefined;
  try {
    const size = options.terminalSize?.();
    const prepared = await prepareContainer(store, records, record, {
      ...options,
      ...(size === undefined ? {} : { consoleSize: size }),
    });
    networked = prepared.networked;
    const launched = await launch({
      ...prepared,
      id: record.ID,
      terminal: record.Config.Tty ?? false,
      openStdin: record.Config.OpenStdin ?? false,
      command: record.Path,
    }).finally(prepared.created);
    const log = await logOutput(records, record, prepared.hostConfig, launched);
    await options.onReady?.(record.ID);
    await networked;
    const attached = attach(launched, record, options);
    await launched.start().catch((error: unknown) => {
      attached.detach();
      throw error;
    });
    const State = transition(record.State, {
      to: 'start',
      at: new Date().toISOString(),
      process: identify(launched.pid) ?? { ...self, Pid: launched.pid, StartTicks: 0 },
      supervisor: self,
      healthcheck: probeCommand(record.Config) !== undefined,
    });
    const gantry = options.gantry === undefined ? {} : { Gantry: options.gantry };
    const running = { ...record, State, HasBeenStartedBefore: true, ...gantry };
    records.put(running, { sync: false });
    recordEvents(store, [
      containerEvent(record, 'attach'),
      ...volumeUse(record, 'mount'),
      containerEvent(record, 'start'),
    ]);
    await startHealthMonitor(store, [running]);
    return { launched, log, ...attached };
  } catch (error) {
    await networked?.catch(() => {}); // nothing comes to it any more
    await releaseResources(store, record.ID);
    const message = error instanceof Error ? error.message : String(error);
    await conclude(store, records, record, { to: 'failed', exitCode: startExitCode(error), error: message });
    throw error;
  }
}

/** Joins the container's streams, terminal and signals with the caller's. `streams` settles when all output is passed. */
function attach(
  launched: Launched,
  record: ContainerRecord,
  options: ForegroundOptions,
): { streams: Promise<unknown>; detach: () => void } {
  const { stdin } = options;
  const { Tty, OpenStdin } = record.Config;
  const cook = Tty && OpenStdin ? rawTerminal(stdin.fd ?? 0) : undefined;
  if (launched.stdin !== undefined) stdin.pipe(launched.stdin);
  const resize = (): void => {
    const size = options.terminalSize?.();
    if (size !== undefined) launched.resize(size);
  };
  const unsubscribe = options.onResize?.(resize);
  resize();
  const stop = options.signalProxy === false ? undefined : forwardSignals(launched.kill);
  return {
    streams: Promise.all([
      pass(launched.stdout, options.stdout),
      launched.stderr && pass(launched.stderr, options.stderr),
    ]),
    detach: () => {
      stop?.();
      unsubscribe?.();
      cook?.();
      if (launched.stdin === undefined) return;
      stdin.unpipe(launched.stdin);
      stdin.pause();
      launched.stdin.destroy();
    },
  };
}

/** A reader that went away (`| head`) closes the pipe, so the container sees what it would see without us between. */
function pass(from: Readable, to: Writable): Promise<void> {
  return new Promise((resolve) => {
    const gone = (): void => {
      from.destroy();
    };
    to.once('error', gone);
    from.once('close', () => {
      to.off('error', gone);
      resolve();
    });
    from.on('error', () => {}); // 'close' follows
    from.pipe(to, { end: false });
  });
}

/** Writes the end down and takes away what was only for the run; the container too with `--rm`. */
async function end(
  store: Store,
  records: ContainerStore,
  id: ContainerID,
  exitCode: number,
  launched: Launched,
  { onWarning }: ForegroundOptions,
): Promise<void> {
  const used = usedBy(id); // before the cgroup goes
  // A container that was killed from outside is not called out of memory.
  const oomKilled = exitCode === 137 && Boolean(used.resources?.OomKills);
  let released = launched.remove();
  released.catch(() => {}); // told where it is awaited
  const held = await store.lockNamed('containers', id);
  try {
    const record = records.get(id);
    if (record === undefined || record.State.Process?.Pid !== launched.pid) return; // `rm -f` was quicker
    released = releaseFiles(store, id, released);
    released.catch(() => {});
    const at = new Date().toISOString();
    const exit = { to: 'exit', at, exitCode, oomKilled, ...used } as const;
    const { State } = await conclude(store, records, record, exit, released);
    if (State.Error !== '') onWarning?.(State.Error);
  } finally {
    await released.finally(() => held.release());
  }
}
