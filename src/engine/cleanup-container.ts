/**
 * `gantry container cleanup <id>`: what conmon executes when its container has ended. It writes the end down (with
 * `--rm` the container goes), keeps the log, and starts the container again when its restart policy says so, and again when that fails. May be
 * called at any time and any number of times: it does what is left to do.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseContainerID } from '../core/ids.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { exitDirectory } from '../runtime/host-facts.js';
import { identify, isAlive } from '../runtime/process-identity.js';
import { nextDelay, restartDelay, wantsRestart } from '../runtime/restart-policy.js';
import { keepLog } from './container-log.js';
import { settleLocked } from './containers.js';
import { conclude } from './end-container.js';
import { bringUp, type DetachedOptions, failedStart } from './start-detached.js';
import type { Store } from './store.js';

const EXIT_CODE_MS = 600_000;

export async function cleanupContainer(store: Store, name: string, options: DetachedOptions): Promise<void> {
  const id = parseContainerID(name);
  const records = new ContainerStore(store.root);
  // Removed already, maybe with the whole root, where a lock would leave its directories behind.
  if (records.get(id) === undefined) return sweepExitCodes(exitDirectory(store.root));
  const self = identify(process.pid)!;
  let delay = await underLock(async () => {
    const record = await settleLocked(store, records, id);
    if (record === undefined || record.State.Running) return undefined;
    await keepLog(store, id);
    const { Restarting, Supervisor } = record.State;
    const ours = Supervisor !== undefined && [process.pid, process.ppid].includes(Supervisor.Pid);
    if (Restarting ? !ours && isAlive(Supervisor!) : !wantsRestart(record, records.hostConfig(id)))
      return undefined;
    return waitFor(record, restartDelay(record));
  });
  sweepExitCodes(exitDirectory(store.root));
  while (delay !== undefined) {
    await sleep(delay);
    delay = await underLock(restart);
  }

  /** Written down before the wait, so that everybody sees "restarting" and who is at it. */
  function waitFor(record: ContainerRecord, RestartDelay: number): number {
    const State = record.State.Restarting
      ? { ...record.State, Supervisor: self }
      : transition(record.State, { to: 'restart', supervisor: self });
    records.put({ ...record, State, RestartDelay }, { sync: false });
    return RestartDelay;
  }

  /** Gives how long to wait for the next attempt, where this one failed and the policy has more. */
  async function restart(): Promise<number | undefined> {
    const record = records.get(id);
    if (!record?.State.Restarting || record.State.Supervisor?.Pid !== self.Pid) return undefined; // stopped or removed meanwhile
    const again = { ...record, RestartCount: record.RestartCount + 1 };
    try {
      await bringUp(store, records, again, options);
      return undefined;
    } catch (error) {
      const failed = { ...again, State: transition(again.State, failedStart(error)) };
      if (wantsRestart(failed, records.hostConfig(id))) return waitFor(failed, nextDelay(failed));
      await conclude(store, records, again, failedStart(error));
      throw error;
    }
  }

  async function underLock<T>(act: () => Promise<T>): Promise<T> {
    const held = await store.lockNamed('containers', id);
    try {
      return await act();
    } finally {
      held.release();
    }
  }
}

/** Exit codes of containers that went at their end, which nobody waits for any more. */
function sweepExitCodes(directory: string): void {
  const before = Date.now() - EXIT_CODE_MS;
  for (const name of existsSync(directory) ? readdirSync(directory) : []) {
    const path = join(directory, name);
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before) < before)
      rmSync(path, { force: true });
  }
}
