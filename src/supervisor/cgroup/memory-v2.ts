/**
 * Memory of a cgroup v2.
 *
 *   memory.current   218103808
 *   memory.max       524288000, or max
 *   memory.peak      230686720                              since Linux 5.19
 *   memory.stat      anon 209715200\nfile 8388608\n…\ninactive_file 8388608\n…
 *   memory.events    low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n…
 */
import { join } from 'node:path';
import { Fields } from '../fields.js';
import { KernelFile } from '../kernel-file.js';
import type { MemoryUse } from '../sample.js';
import type { Reader } from './reader.js';

/** Undefined when the controller is not there. */
export function memoryV2(directory: string): Reader<MemoryUse> | undefined {
  const current = KernelFile.open(join(directory, 'memory.current'));
  const max = KernelFile.open(join(directory, 'memory.max'));
  const peak = KernelFile.open(join(directory, 'memory.peak'));
  const stat = KernelFile.open(join(directory, 'memory.stat'));
  const events = KernelFile.open(join(directory, 'memory.events'));
  const files = [current, max, peak, stat, events];
  const close = (): void => {
    for (const file of files) file?.close();
  };
  if (current === undefined || max === undefined || stat === undefined || events === undefined) {
    close();
    return undefined;
  }
  const cache = new Fields('inactive_file');
  const kills = new Fields('oom_kill');
  return {
    read(text) {
      if (!current.read(text)) return undefined;
      const usage = text.onlyNumber();
      if (!max.read(text)) return undefined;
      const limit = text.onlyNumber();
      const highest = peak?.read(text) ? text.onlyNumber() : undefined;
      if (!stat.read(text)) return undefined;
      cache.read(text);
      const inactiveFile = cache.required('inactive_file', text);
      if (!events.read(text)) return undefined;
      kills.read(text);
      return { usage, inactiveFile, limit, peak: highest, oomKills: kills.required('oom_kill', text) };
    },
    close,
  };
}
