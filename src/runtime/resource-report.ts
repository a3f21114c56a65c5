/**
 * What a container's last run used in all, kept as `State.Resources` and written by `run --stats-on-exit`. Bytes,
 * nanoseconds and counts, as in docker's JSON. What the host's kernel does not tell is left out, never 0.
 *
 *   {"RunTime":60123000000,"CpuUsage":2500000000,"CpuUser":2000000000,"CpuSystem":500000000,"CpuPeriods":25,
 *    "CpuThrottledPeriods":20,"CpuThrottledTime":1000000000,"MemoryPeak":230686720,"PidsPeak":12,"BlockRead":4096,
 *    "BlockWritten":8192,"OomKills":0,"NetworkReceived":1320,"NetworkSent":98}
 */
export interface ResourceReport {
  readonly RunTime: number;
  readonly CpuUsage: number;
  readonly CpuUser: number;
  readonly CpuSystem: number;
  readonly CpuPeriods: number;
  readonly CpuThrottledPeriods: number;
  readonly CpuThrottledTime: number;
  /** With the page cache, as the kernel counts it. cgroup v2 before Linux 5.19 does not. */
  readonly MemoryPeak?: number;
  /** Processes and threads at once. Not before Linux 6.1. */
  readonly PidsPeak?: number;
  readonly BlockRead: number;
  readonly BlockWritten: number;
  readonly OomKills: number;
  /** Of a network that gantry made for it: others are not its own, or go with its last process. */
  readonly NetworkReceived?: number;
  readonly NetworkSent?: number;
}
