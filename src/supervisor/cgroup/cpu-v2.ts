/**
 * CPU time of a cgroup v2: cpu.stat, in microseconds. The last three are there only with the cpu controller.
 *
 *   usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 25\nnr_throttled 20\nthrottled_usec 1000000
 */
import { join } from 'node:path';
import { Fields } from '../fields.js';
import { KernelFile } from '../kernel-file.js';
import type { CpuUse } from '../sample.js';
import type { Reader } from './reader.js';

const NANOSECONDS_PER_MICROSECOND = 1000;

/** Undefined when the controller is not there. */
export function cpuV2(directory: string): Reader<CpuUse> | undefined {
  const file = KernelFile.open(join(directory, 'cpu.stat'));
  if (file === undefined) return undefined;
  const fields = new Fields(
    'usage_usec',
    'user_usec',
    'system_usec',
    'nr_periods',
    'nr_throttled',
    'throttled_usec',
  );
  return {
    read(text) {
      if (!file.read(text)) return undefined;
      fields.read(text);
      return {
        usage: fields.required('usage_usec', text) * NANOSECONDS_PER_MICROSECOND,
        user: fields.required('user_usec', text) * NANOSECONDS_PER_MICROSECOND,
        kernel: fields.required('system_usec', text) * NANOSECONDS_PER_MICROSECOND,
        periods: fields.optional('nr_periods') ?? 0,
        throttledPeriods: fields.optional('nr_throttled') ?? 0,
        throttledTime: (fields.optional('throttled_usec') ?? 0) * NANOSECONDS_PER_MICROSECOND,
      };
    },
    close: () => file.close(),
  };
}
