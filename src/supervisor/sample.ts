/**
 * What a container used until now, as the kernel counts it: nanoseconds, bytes, processes. Counters begin with its
 * cgroup. A controller that the host has not counts nothing.
 */

export interface CpuUse {
  readonly usage: number;
  readonly user: number;
  readonly kernel: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledTime: number;
}

export interface MemoryUse {
  /** With the page cache. */
  readonly usage: number;
  /** Page cache that can be dropped at once. */
  readonly inactiveFile: number;
  /** UNLIMITED without one. */
  readonly limit: number;
  /** Undefined where the kernel does not keep it (v2 before Linux 5.19). */
  readonly peak: number | undefined;
  /** Processes killed for want of memory. */
  readonly oomKills: number;
}

export interface IoUse {
  readonly read: number;
  readonly written: number;
}

export interface PidsUse {
  readonly current: number;
  readonly limit: number;
  /** Undefined where the kernel does not keep it (before Linux 6.1). */
  readonly peak: number | undefined;
}

export interface NetworkUse {
  readonly received: number;
  readonly sent: number;
}

/** The whole host: what its CPUs spent, idle included, and how many there are. */
export interface SystemUse {
  readonly usage: number;
  readonly cpus: number;
}

export interface Sample {
  readonly id: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly cpu: CpuUse;
  readonly memory: MemoryUse;
  readonly io: IoUse;
  readonly pids: PidsUse;
  readonly network: NetworkUse;
  readonly system: SystemUse;
  /** The sample before this one, as far as percentages need it. */
  readonly before?: { readonly at: number; readonly cpuUsage: number; readonly systemUsage: number };
}
