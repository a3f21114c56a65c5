/**
 * Memory of a cgroup v1.
 *
 *   memory.usage_in_bytes       218103808
 *   memory.limit_in_bytes       9223372036854771712 without a limit
 *   memory.max_usage_in_bytes   230686720
 *   memory.stat                 …\ntotal_inactive_file 8388608\n…      with the cgroups below, as usage is
 *   memory.oom_control          oom_kill_disable 0\nunder_oom 0\noom_kill 1
 */
import { join } from 'node:path';
import { Fields } from '../fields.js';
import { KernelFile } from '../kernel-file.js';
import { UNLIMITED } from '../kernel-text.js';
import type { MemoryUse } from '../sample.js';
import type { Reader } from './reader.js';

/** The kernel's word for "no limit" is 2^63 - 1, rounded down to a page, whose size may be 4 or 64 KiB. */
const NO_LIMIT = 2 ** 63 - 2 ** 17;

/** Undefined when the controller is not there. */
export function memoryV1(directory: string): Reader<MemoryUse> | undefined {
  const usage = KernelFile.open(join(directory, 'memory.usage_in_bytes'));
  const limit = KernelFile.open(join(directory, 'memory.limit_in_bytes'));
  const peak = KernelFile.open(join(directory, 'memory.max_usage_in_bytes'));
  const stat = KernelFile.open(join(directory, 'memory.stat'));
  const oom = KernelFile.open(join(directory, 'memory.oom_control'));
  const files = [usage, limit, peak, stat, oom];
  const close = (): void => {
    for (const file of files) file?.close();
  };
  if (usage === undefined || limit === undefined || stat === undefined) {
    close();
    return undefined;
  }
  const cache = new Fields('total_inactive_file');
  const kills = new Fields('under_oom', 'oom_kill');
  return {
    read(text) {
      if (!usage.read(text)) return undefined;
      const used = text.onlyNumber();
      if (!limit.read(text)) return undefined;
      const most = text.onlyNumber();
      const highest = peak?.read(text) ? text.onlyNumber() : undefined;
      if (!stat.read(text)) return undefined;
      cache.read(text);
      if (oom?.read(text)) kills.read(text);
      return {
        usage: used,
        inactiveFile: cache.optional('total_inactive_file') ?? 0,
        limit: most >= NO_LIMIT ? UNLIMITED : most,
        peak: highest,
        // Before Linux 4.13 there is no count, only whether it is out of memory now.
        oomKills: kills.optional('oom_kill') ?? kills.optional('under_oom') ?? 0,
      };
    },
    close,
  };
}
