/**
 * Processes and threads of a cgroup, v1 and v2 alike.
 *
 *   pids.current 7      pids.max 100, or max      pids.peak 12, since Linux 6.1
 */
import { join } from 'node:path';
import { KernelFile } from '../kernel-file.js';
import { UNLIMITED } from '../kernel-text.js';
import type { PidsUse } from '../sample.js';
import type { Reader } from './reader.js';

/** Undefined when the controller is not there. */
export function pids(directory: string): Reader<PidsUse> | undefined {
  const current = KernelFile.open(join(directory, 'pids.current'));
  if (current === undefined) return undefined;
  const max = KernelFile.open(join(directory, 'pids.max'));
  const peak = KernelFile.open(join(directory, 'pids.peak'));
  return {
    read(text) {
      if (!current.read(text)) return undefined;
      return {
        current: text.onlyNumber(),
        limit: max?.read(text) ? text.onlyNumber() : UNLIMITED,
        peak: peak?.read(text) ? text.onlyNumber() : undefined,
      };
    },
    close() {
      for (const file of [current, max, peak]) file?.close();
    },
  };
}
