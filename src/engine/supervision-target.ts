/** A running container as the supervisor knows it: its process, and where on this host its cgroup is. */
import { join } from 'node:path';
import { type CgroupLayout, cgroupsPath } from '../runtime/cgroup-layout.js';
import type { ContainerRecord } from '../runtime/container-record.js';
import type { HostConfig } from '../runtime/create-request.js';
import { networkMode } from '../runtime/network-mode.js';
import type { CgroupDirectories } from '../supervisor/cgroup/cgroup.js';
import type { Target } from '../supervisor/tracked.js';

/** What to track of a running container; undefined for one that does not run. */
export function supervisionTarget(
  { ID: id, State }: ContainerRecord,
  { NetworkMode }: Pick<HostConfig, 'NetworkMode'>,
  layout: CgroupLayout,
): Target | undefined {
  if (!State.Running || State.Process === undefined) return undefined;
  const { Pid: pid, StartTicks: startTicks } = State.Process;
  const ownNetwork = networkMode(NetworkMode).kind !== 'host';
  return { id, pid, startTicks, cgroup: cgroupDirectories(layout, id), ownNetwork };
}

export function cgroupDirectories(layout: CgroupLayout, id: string): CgroupDirectories {
  const within = (mount: string): string => join(mount, cgroupsPath(id));
  if (layout.version === 'v2') {
    const [mount] = layout.controllers.values();
    return mount === undefined ? {} : { unified: within(mount) };
  }
  const directories = ['cpuacct', 'cpu', 'memory', 'blkio', 'pids'].flatMap((controller) => {
    const mount = layout.controllers.get(controller);
    return mount === undefined ? [] : [[controller, within(mount)]];
  });
  const { unified } = layout;
  return {
    ...(Object.fromEntries(directories) as CgroupDirectories),
    ...(unified === undefined || unified.controllers.length === 0 ? {} : { unified: within(unified.path) }),
  };
}
