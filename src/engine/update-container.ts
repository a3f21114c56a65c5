/** `docker update`: new limits, for the next start and, when it runs, at once. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import { bundleDirectory } from '../runtime/bundle-directory.js';
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import type { HostConfig } from '../runtime/create-request.js';
import { checkLimits } from '../runtime/flags/resources.js';
import { runtimeCommand } from '../runtime/oci-runtime.js';
import { resources } from '../runtime/resources.js';
import { recordContainerEvent } from './events.js';
import { runtimeOf, withContainer } from './running-container.js';
import type { Store } from './store.js';

export type LimitChanges = Partial<
  Pick<
    HostConfig,
    | 'Memory'
    | 'MemorySwap'
    | 'MemoryReservation'
    | 'NanoCpus'
    | 'CpuPeriod'
    | 'CpuQuota'
    | 'CpuShares'
    | 'CpusetCpus'
    | 'CpusetMems'
    | 'PidsLimit'
    | 'RestartPolicy'
  >
>;

/**
 * ERR_INVALID_ARGUMENT for limits that cannot be, ERR_NOT_FOUND, ERR_RUNTIME when the kernel refuses (a limit below
 * what is in use). Gives the host's warnings.
 */
export function updateContainer(
  store: Store,
  what: string,
  changes: LimitChanges,
): Promise<readonly string[]> {
  return withContainer(store, what, async ({ id, records, record }) => {
    const before = records.hostConfig(id);
    const after: HostConfig = { ...before, ...changes };
    checkLimits(after, cpus().length);
    if (
      changes.Memory &&
      changes.MemorySwap === undefined &&
      before.MemorySwap > 0 &&
      before.MemorySwap < changes.Memory
    ) {
      throw new GantryError(
        'ERR_CONFLICT',
        'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
      );
    }
    const made = resources(after, cgroupLayout());
    if (record.State.Running) {
      const { devices: _devices, ...limits } = made.resources;
      const file = join(bundleDirectory(store.root, id), 'update.json');
      writeFileSync(file, JSON.stringify(limits), { mode: 0o600 });
      const { status, stderr } = await runtimeCommand(runtimeOf(store, id), [
        'update',
        '--resources',
        file,
        id,
      ]);
      if (status !== 0)
        throw new GantryError('ERR_RUNTIME', `Cannot update container ${id}: ${stderr.trim()}`);
    }
    records.putHostConfig(id, after, { sync: true });
    recordContainerEvent(store, record, 'update');
    return made.warnings;
  });
}
