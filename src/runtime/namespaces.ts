/**
 * The namespaces of a container in the OCI spec, by HostConfig's modes: `host` leaves one out, so that the container is
 * in the caller's. What is shared has its mounts shared too, and no name of the container's own.
 */
import type { CgroupLayout } from './cgroup-layout.js';
import type { HostConfig } from './create-request.js';
import { networkMode } from './network-mode.js';
import type { LinuxSpec, MountSpec } from './oci-spec.js';

const SHM = '/dev/shm';
export const SHM_BYTES = 64 * 1024 * 1024;

/** `network`: the path of a namespace that is there already; without it the runtime makes one with loopback alone. */
export function namespaces(
  { PidMode, IpcMode, UTSMode, CgroupnsMode, NetworkMode }: HostConfig,
  cgroups: CgroupLayout,
  network: string | undefined,
): LinuxSpec['namespaces'] {
  const own = (type: string, shared: boolean, path?: string) =>
    shared ? [] : [{ type, ...(path === undefined ? {} : { path }) }];
  // docker's default: hidden where there is one tree, shown where there are many.
  const hostCgroups = CgroupnsMode ? CgroupnsMode === 'host' : cgroups.version !== 'v2';
  return [
    { type: 'mount' },
    ...own('uts', UTSMode === 'host'),
    ...own('pid', PidMode === 'host'),
    ...own('ipc', IpcMode === 'host'),
    ...own('network', networkMode(NetworkMode).kind === 'host', network),
    ...own('cgroup', hostCgroups),
  ];
}

/** /dev/mqueue, which shows the queues of whose namespace it is, and /dev/shm. */
export function ipcMounts({ IpcMode, ShmSize }: HostConfig): MountSpec[] {
  const plain = ['nosuid', 'noexec', 'nodev'];
  const queue = { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: plain };
  if (IpcMode === 'none') return [queue];
  if (IpcMode === 'host') {
    return [queue, { destination: SHM, type: 'bind', source: SHM, options: ['bind', ...plain] }];
  }
  const options = [...plain, 'mode=1777', `size=${ShmSize || SHM_BYTES}`];
  return [queue, { destination: SHM, type: 'tmpfs', source: 'shm', options }];
}
