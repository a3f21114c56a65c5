/** `docker stop`, `kill` and `wait`: the end of a container, asked for, forced, or waited for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError, isGantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { transition } from '../runtime/container-state.js';
import { exitDirectory } from '../runtime/host-facts.js';
import { runtimeCommand } from '../runtime/oci-runtime.js';
import { isAlive } from '../runtime/process-identity.js';
import { parseSignal } from '../runtime/signals.js';
import { findContainer } from './containers.js';
import { recordContainerEvent } from './events.js';
import { notRunning, runtimeOf, withContainer } from './running-container.js';
import type { Store } from './store.js';

const SIGKILL = 9;
const SIGTERM = 15;
const DEFAULT_TIMEOUT = 10;
const POLL_MS = 10;
/** After SIGKILL, for the kernel and conmon. */
const END_MS = 10_000;

export interface StopOptions {
  /** Seconds before SIGKILL; -1 waits without end. The container's own by default, else 10. */
  readonly timeout?: number;
  /** The container's own by default, else SIGTERM. */
  readonly signal?: string;
}

/** Does nothing for a container that does not run. No restart policy starts it again. ERR_NOT_FOUND. */
export async function stopContainer(store: Store, what: string, options: StopOptions = {}): Promise<void> {
  const asked = options.signal === undefined ? undefined : parseSignal(options.signal);
  const running = await withContainer(store, what, async ({ id, records, record }) => {
    const stopped = { ...record, HasBeenManuallyStopped: true };
    if (record.State.Restarting) {
      records.put({ ...stopped, State: transition(record.State, { to: 'giveup' }) }, { sync: true });
    }
    if (!record.State.Running) return undefined;
    records.put(stopped, { sync: false });
    const signal = asked ?? stopSignal(record);
    send(record, signal);
    recordContainerEvent(store, record, 'kill', { signal: String(signal) });
    if (record.State.Paused) {
      await runtimeCommand(runtimeOf(store, id), ['resume', id]);
      records.put({ ...stopped, State: transition(record.State, { to: 'unpause' }) }, { sync: false });
    }
    return record;
  });
  if (running === undefined) return;
  const seconds = options.timeout ?? running.Config.StopTimeout ?? DEFAULT_TIMEOUT;
  if (!(await diesWithin(running, seconds < 0 ? Number.POSITIVE_INFINITY : seconds * 1000))) {
    send(running, SIGKILL);
    recordContainerEvent(store, running, 'kill', { signal: String(SIGKILL) });
    await diesWithin(running, END_MS);
  }
  await recorded(store, running);
  recordContainerEvent(store, running, 'stop');
}

/** ERR_NOT_FOUND; ERR_CONFLICT for one that does not run; ERR_INVALID_ARGUMENT for a signal that is none. */
export async function killContainer(store: Store, what: string, signal = 'KILL'): Promise<void> {
  const number = parseSignal(signal);
  const killed = await withContainer(store, what, async ({ id, records, record }) => {
    if (!record.State.Running) {
      throw new GantryError('ERR_CONFLICT', `cannot kill container: ${what}: ${notRunning(id).message}`);
    }
    const ends = number === SIGKILL || number === stopSignal(record);
    const marked = ends ? { ...record, HasBeenManuallyStopped: true } : record;
    if (ends) records.put(marked, { sync: false });
    send(record, number);
    recordContainerEvent(store, record, 'kill', { signal: String(number) });
    if (record.State.Paused && ends) {
      await runtimeCommand(runtimeOf(store, id), ['resume', id]);
      records.put({ ...marked, State: transition(record.State, { to: 'unpause' }) }, { sync: false });
    }
    return record;
  });
  if (number !== SIGKILL) return;
  await diesWithin(killed, END_MS);
  await recorded(store, killed);
}

/** The exit code, when it does not run (any more). ERR_NOT_FOUND. `signal` ends the waiting: ERR_CANCELED. */
export async function waitContainer(store: Store, what: string, signal?: AbortSignal): Promise<number> {
  return waitForEnd(store, (await findContainer(store, what)).ID, signal);
}

/** The same for a container that was there a moment ago. */
export async function waitForEnd(store: Store, id: ContainerID, signal?: AbortSignal): Promise<number> {
  for (let pause = POLL_MS; ; pause = Math.min(pause * 2, 100)) {
    const record = await unlessGone(store, id);
    if (record === undefined) return lastExit(store, id);
    if (!record.State.Running && !record.State.Restarting) return record.State.ExitCode;
    if (signal?.aborted) throw new GantryError('ERR_CANCELED', 'canceled while waiting for a container');
    await sleep(pause);
  }
}

function stopSignal({ Config }: ContainerRecord): number {
  return Config.StopSignal ? parseSignal(Config.StopSignal) : SIGTERM;
}

/** By pid and start time: a container that has just ended is not mistaken for its pid's next owner. */
function send({ State: { Process } }: ContainerRecord, signal: number): void {
  if (Process === undefined || !isAlive(Process)) return;
  try {
    process.kill(Process.Pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function diesWithin({ State: { Process } }: ContainerRecord, ms: number): Promise<boolean> {
  for (const until = Date.now() + ms; ; await sleep(POLL_MS)) {
    if (Process === undefined || !isAlive(Process)) return true;
    if (Date.now() >= until) return false;
  }
}

/** Until that run's end is written down, by us or by its supervisor. */
async function recorded(store: Store, { ID, State }: ContainerRecord): Promise<void> {
  for (let waited = 0; waited < END_MS; waited += POLL_MS) {
    const now = await unlessGone(store, ID);
    if (!now?.State.Running || now.State.Process?.Pid !== State.Process?.Pid) return;
    await sleep(POLL_MS);
  }
  throw new GantryError('ERR_RUNTIME', `container ${ID} did not end: expected it to after SIGKILL`);
}

async function unlessGone(store: Store, id: ContainerID): Promise<ContainerRecord | undefined> {
  try {
    return await findContainer(store, id);
  } catch (error) {
    if (isGantryError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Of a container that was removed at its end; 137 when it was removed by force before it had one. */
function lastExit(store: Store, id: ContainerID): number {
  try {
    return Number(readFileSync(join(exitDirectory(store.root), id), 'utf8'));
  } catch {
    return 128 + SIGKILL;
  }
}
