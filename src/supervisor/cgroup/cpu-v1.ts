/**
 * CPU time of a cgroup v1.
 *
 *   cpuacct.usage   2500000000                                   nanoseconds
 *   cpuacct.stat    user 200\nsystem 50                          ticks of 10 ms
 *   cpu.stat        nr_periods 25\nnr_throttled 20\nthrottled_time 1000000000
 *
 * `cpu` and `cpuacct` may be mounted apart, and `cpu` not at all.
 */
import { join } from 'node:path';
import { Fields } from '../fields.js';
import { KernelFile } from '../kernel-file.js';
import type { CpuUse } from '../sample.js';
import type { Reader } from './reader.js';

/** USER_HZ is 100 on every architecture that Node runs on. */
const NANOSECONDS_PER_TICK = 1e7;

/** Undefined when the controller is not there. */
export function cpuV1(cpuacct: string, cpu: string | undefined): Reader<CpuUse> | undefined {
  const usage = KernelFile.open(join(cpuacct, 'cpuacct.usage'));
  const split = KernelFile.open(join(cpuacct, 'cpuacct.stat'));
  const throttling = cpu === undefined ? undefined : KernelFile.open(join(cpu, 'cpu.stat'));
  if (usage === undefined) return undefined;
  const ticks = new Fields('user', 'system');
  const throttled = new Fields('nr_periods', 'nr_throttled', 'throttled_time');
  return {
    read(text) {
      if (!usage.read(text)) return undefined;
      const total = text.onlyNumber();
      if (split?.read(text)) ticks.read(text);
      if (throttling?.read(text)) throttled.read(text);
      return {
        usage: total,
        user: (ticks.optional('user') ?? 0) * NANOSECONDS_PER_TICK,
        kernel: (ticks.optional('system') ?? 0) * NANOSECONDS_PER_TICK,
        periods: throttled.optional('nr_periods') ?? 0,
        throttledPeriods: throttled.optional('nr_throttled') ?? 0,
        throttledTime: throttled.optional('throttled_time') ?? 0,
      };
    },
    close() {
      for (const file of [usage, split, throttling]) file?.close();
    },
  };
}
