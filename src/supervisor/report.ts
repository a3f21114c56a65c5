/** What a container used in all, told when it has ended: kept as `State.Resources` and by `run --stats-on-exit`. */
import type { Sample } from './sample.js';

/** Bytes, nanoseconds and counts, as in docker's JSON. */
export interface ResourceReport {
  readonly CpuUsage: number;
  readonly CpuPeriods: number;
  readonly CpuThrottledPeriods: number;
  readonly CpuThrottledTime: number;
  readonly MemoryPeak: number;
  readonly PidsPeak: number;
  readonly BlockRead: number;
  readonly BlockWritten: number;
  readonly NetworkReceived: number;
  readonly NetworkSent: number;
  readonly OomKills: number;
}

/** The highest of what samples have shown: where the kernel keeps no peak, they are the best there is. */
export interface Peaks {
  readonly memory: number;
  readonly pids: number;
}

export const NO_PEAKS: Peaks = { memory: 0, pids: 0 };

export const peaksWith = (peaks: Peaks, { memory, pids }: Pick<Sample, 'memory' | 'pids'>): Peaks => ({
  memory: Math.max(peaks.memory, memory.peak ?? memory.usage),
  pids: Math.max(peaks.pids, pids.peak ?? pids.current),
});

export const resourceReport = (last: Sample, peaks: Peaks): ResourceReport => ({
  CpuUsage: last.cpu.usage,
  CpuPeriods: last.cpu.periods,
  CpuThrottledPeriods: last.cpu.throttledPeriods,
  CpuThrottledTime: last.cpu.throttledTime,
  MemoryPeak: peaks.memory,
  PidsPeak: peaks.pids,
  BlockRead: last.io.read,
  BlockWritten: last.io.written,
  NetworkReceived: last.network.received,
  NetworkSent: last.network.sent,
  OomKills: last.memory.oomKills,
});
