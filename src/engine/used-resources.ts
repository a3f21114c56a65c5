/**
 * What a run used, read at its end from the kernel's own counters: its cgroup, and the namespace of its network. Both go
 * next. No sampling is needed for that, so a run costs nothing extra while it lasts.
 */
import { existsSync } from 'node:fs';
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import { namespacePath } from '../runtime/network/endpoint.js';
import { inNamespace } from '../runtime/network/namespace.js';
import type { ResourceReport } from '../runtime/resource-report.js';
import { Cgroup, type CgroupUse } from '../supervisor/cgroup/cgroup.js';
import { KernelText } from '../supervisor/kernel-text.js';
import { Network } from '../supervisor/network.js';
import type { NetworkUse } from '../supervisor/sample.js';
import { cgroupDirectories } from './supervision-target.js';

export type UsedResources = Omit<ResourceReport, 'RunTime'>;

/** Undefined when its cgroup is gone or is not understood: an end is written down all the same, so this never throws. */
export function usedResources(id: string, layout = cgroupLayout()): UsedResources | undefined {
  const text = new KernelText();
  const use = unlessUnreadable(() => cgroupUse(id, layout, text));
  if (use === undefined) return undefined;
  const { cpu, memory, pids, io } = use;
  const network = unlessUnreadable(() => networkUse(id, text));
  return {
    CpuUsage: cpu.usage,
    CpuUser: cpu.user,
    CpuSystem: cpu.kernel,
    CpuPeriods: cpu.periods,
    CpuThrottledPeriods: cpu.throttledPeriods,
    CpuThrottledTime: cpu.throttledTime,
    ...(memory.peak === undefined ? {} : { MemoryPeak: memory.peak }),
    ...(pids.peak === undefined ? {} : { PidsPeak: pids.peak }),
    BlockRead: io.read,
    BlockWritten: io.written,
    OomKills: memory.oomKills,
    ...(network === undefined ? {} : { NetworkReceived: network.received, NetworkSent: network.sent }),
  };
}

function cgroupUse(
  id: string,
  layout: ReturnType<typeof cgroupLayout>,
  text: KernelText,
): CgroupUse | undefined {
  const cgroup = Cgroup.open(cgroupDirectories(layout, id));
  try {
    return cgroup?.read(text);
  } finally {
    cgroup?.close();
  }
}

/** A namespace on networks outlives the container's processes. */
function networkUse(id: string, text: KernelText): NetworkUse | undefined {
  const path = namespacePath(id);
  if (!existsSync(path)) return undefined;
  const network = inNamespace(path, () => Network.open('/proc/thread-self/net/dev'));
  try {
    return network?.read(text);
  } finally {
    network?.close();
  }
}

function unlessUnreadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
