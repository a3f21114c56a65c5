/** Sees to it that a health monitor (health-monitor.ts) serves this store. */
import { spawnProcess } from '../core/spawn.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import { reap } from '../runtime/reap.js';
import type { Store } from './store.js';

/** Nothing of the caller's: it outlives the caller, and CI systems find what to kill by variables like BUILD_ID. */
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * For containers that run, by their records: after each start, and by whoever lists, because a monitor may be killed.
 * Never throws; quick where none of them has a health check.
 */
export async function startHealthMonitor(store: Store, running: readonly ContainerRecord[]): Promise<void> {
  const checked = running.find(({ State, Gantry }) => State.Running && State.Health && Gantry);
  if (checked?.Gantry === undefined) return;
  try {
    const free = await store.tryLockNamed('containers', 'health');
    if (free === undefined) return;
    free.release();
    const command = [...checked.Gantry, '--root', store.root, 'container', 'health-monitor'] as const;
    const monitor = spawnProcess(command, {
      stdio: ['ignore', 'ignore', 'ignore'],
      session: true,
      cwd: '/',
      env: ENVIRONMENT,
    });
    void reap(monitor, { keepAlive: false });
  } catch {
    // The next one who looks tries again; the containers run all the same.
  }
}
