/** What `docker stats` shows, out of samples: the Docker CLI's formulas (FORMATS §B8), for cgroup v1 and v2 alike. */
import type { MemoryUse, Sample } from './sample.js';

/** Of one CPU: two busy ones are 200. Of the time since the sample before; 0 for a first one. */
export function cpuPercent({ cpu, system, before }: Pick<Sample, 'cpu' | 'system' | 'before'>): number {
  if (before === undefined) return 0;
  const container = cpu.usage - before.cpuUsage;
  const host = system.usage - before.systemUsage;
  return host > 0 && container > 0 ? (container / host) * system.cpus * 100 : 0;
}

/** Bytes that the container needs: cache that can be dropped at once is not counted. */
export const memoryUsed = ({ usage, inactiveFile }: MemoryUse): number =>
  inactiveFile < usage ? usage - inactiveFile : usage;

/** Of the limit; 0 without one. */
export const memoryPercent = (memory: MemoryUse): number =>
  memory.limit === 0 ? 0 : (memoryUsed(memory) / memory.limit) * 100;
