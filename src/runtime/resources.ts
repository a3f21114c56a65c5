/**
 * HostConfig's limits to the OCI `resources`, by Docker's rules: swap is memory + swap in all, twice the memory unless
 * said otherwise; CPUs become a quota of a period of 100 ms. What the host cannot limit is dropped with a warning.
 */
import type { CgroupLayout } from './cgroup-layout.js';
import type { HostConfig } from './create-request.js';
import type { Resources } from './oci-spec.js';

const CPU_PERIOD = 100_000;

/** Character devices that a container may use; the rest it may only make nodes of (Docker's default list). */
const DEVICE_RULES: Resources['devices'] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...(
    [
      [1, 3],
      [1, 5],
      [1, 7],
      [1, 8],
      [1, 9],
      [5, 0],
      [5, 1],
      [5, 2],
    ] as const
  ).map(([major, minor]) => ({
    allow: true,
    type: 'c',
    major,
    minor,
    access: 'rwm',
  })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

/** Microseconds. */
function cpuTime({ NanoCpus, CpuPeriod, CpuQuota }: HostConfig): { period?: number; quota?: number } {
  if (NanoCpus > 0) return { quota: Math.round((NanoCpus * CPU_PERIOD) / 1e9), period: CPU_PERIOD };
  return { ...(CpuPeriod ? { period: CpuPeriod } : {}), ...(CpuQuota ? { quota: CpuQuota } : {}) };
}

export function resources(
  host: HostConfig,
  cgroups: CgroupLayout,
): { readonly resources: Resources; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const supported = (controller: string, wanted: boolean, lost: string): boolean => {
    if (!wanted || cgroups.controllers.has(controller)) return wanted;
    warnings.push(
      `Your kernel does not support ${controller} limit capabilities or the cgroup is not mounted. ${lost}`,
    );
    return false;
  };
  const v2 = cgroups.version === 'v2';
  // cgroup v2 has neither of these two.
  const onlyV1 = <T>(value: T | null | undefined, name: string): T | undefined => {
    if (value === null || value === undefined || !v2) return value ?? undefined;
    warnings.push(`Your kernel does not support ${name}: it has cgroup v2. ${name} discarded.`);
    return undefined;
  };
  const swappiness = onlyV1(host.MemorySwappiness, 'memory swappiness');
  const disableOOMKiller = onlyV1(host.OomKillDisable || undefined, 'OomKillDisable');
  const memory = supported(
    'memory',
    host.Memory > 0 ||
      host.MemoryReservation > 0 ||
      swappiness !== undefined ||
      disableOOMKiller !== undefined,
    'Limitation discarded.',
  );
  const { period, quota } = cpuTime(host);
  const cpu = supported(
    'cpu',
    quota !== undefined || period !== undefined || host.CpuShares > 0,
    'CPU limits discarded.',
  );
  const cpuset = supported('cpuset', host.CpusetCpus !== '' || host.CpusetMems !== '', 'Cpuset discarded.');
  const pids = supported('pids', (host.PidsLimit ?? 0) !== 0, 'PIDs limit discarded.');
  const swap = host.MemorySwap === 0 ? host.Memory * 2 : host.MemorySwap;
  const limitSwap = memory && host.Memory > 0 && cgroups.swapLimit;
  if (memory && host.Memory > 0 && !cgroups.swapLimit) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
  }
  return {
    warnings,
    resources: {
      devices: host.Privileged ? [{ allow: true, access: 'rwm' }] : DEVICE_RULES,
      ...(memory
        ? {
            memory: {
              ...(host.Memory > 0 ? { limit: host.Memory } : {}),
              ...(limitSwap ? { swap } : {}),
              ...(host.MemoryReservation > 0 ? { reservation: host.MemoryReservation } : {}),
              ...(swappiness === undefined ? {} : { swappiness }),
              ...(disableOOMKiller === undefined ? {} : { disableOOMKiller }),
            },
          }
        : {}),
      ...(cpu || cpuset
        ? {
            cpu: {
              ...(cpu && host.CpuShares > 0 ? { shares: host.CpuShares } : {}),
              ...(cpu && quota !== undefined ? { quota } : {}),
              ...(cpu && period !== undefined ? { period } : {}),
              ...(cpuset && host.CpusetCpus !== '' ? { cpus: host.CpusetCpus } : {}),
              ...(cpuset && host.CpusetMems !== '' ? { mems: host.CpusetMems } : {}),
            },
          }
        : {}),
      // The OCI's word for "no limit" is -1; Docker also takes 0 for it.
      ...(pids ? { pids: { limit: Math.max(-1, host.PidsLimit!) } } : {}),
    },
  };
}
