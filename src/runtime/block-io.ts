/** HostConfig's block I/O to the OCI `blockIO`; devices are named there by their numbers. What the host lacks is told. */
import type { CgroupLayout } from './cgroup-layout.js';
import type { DeviceRate, HostConfig } from './create-request.js';
import type { BlockIoSpec, DeviceSpec } from './oci-spec.js';

type FindDevice = (path: string) => Pick<DeviceSpec, 'major' | 'minor'>;

/** Undefined when nothing is asked for. `find` throws for a path that is no device. */
export function blockIo(
  host: HostConfig,
  cgroups: CgroupLayout,
  find: FindDevice,
): { readonly blockIO?: BlockIoSpec; readonly warnings: readonly string[] } {
  const { BlkioWeight: weight = 0, BlkioWeightDevice: weights = [] } = host;
  const throttles = {
    throttleReadBpsDevice: rates(host.BlkioDeviceReadBps, find),
    throttleWriteBpsDevice: rates(host.BlkioDeviceWriteBps, find),
    throttleReadIOPSDevice: rates(host.BlkioDeviceReadIOps, find),
    throttleWriteIOPSDevice: rates(host.BlkioDeviceWriteIOps, find),
  };
  const asked = Object.entries(throttles).filter(([, list]) => list.length > 0);
  const weighed = weight > 0 || weights.length > 0;
  if (asked.length === 0 && !weighed) return { warnings: [] };
  if (!cgroups.controllers.has(cgroups.version === 'v2' ? 'io' : 'blkio')) {
    return { warnings: ['Your kernel does not support cgroup blkio. Block I/O limits discarded.'] };
  }
  const noWeight = weighed && !cgroups.blockWeight;
  return {
    warnings: noWeight
      ? ['Your kernel does not support cgroup blkio weight or the cgroup is not mounted. Weight discarded.']
      : [],
    blockIO: {
      ...(noWeight || weight === 0 ? {} : { weight }),
      ...(noWeight || weights.length === 0
        ? {}
        : { weightDevice: weights.map(({ Path, Weight }) => ({ ...numbers(find(Path)), weight: Weight })) }),
      ...Object.fromEntries(asked),
    },
  };
}

const numbers = ({ major, minor }: ReturnType<FindDevice>) => ({ major, minor });

const rates = (list: readonly DeviceRate[] = [], find: FindDevice) =>
  list.map(({ Path, Rate }) => ({ ...numbers(find(Path)), rate: Rate }));
