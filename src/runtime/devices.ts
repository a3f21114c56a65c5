/** The host's device nodes, which `--privileged` gives to a container. */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceSpec } from './oci-spec.js';

/** These are file systems or links of the container's own. */
const OWN = ['pts', 'shm', 'mqueue', 'fd', 'console', '.lxc', '.lxd-mounts', '.udev'];

// glibc's dev_t (sys/sysmacros.h), as stat gives it.
const major = (dev: bigint): number => Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn));
const minor = (dev: bigint): number => Number((dev & 0xffn) | ((dev >> 12n) & ~0xffn));

/** Every character and block device below `root`, sorted by path. */
export function hostDevices(root = '/dev'): DeviceSpec[] {
  const found: DeviceSpec[] = [];
  const walk = (directory: string, inside: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true }) as Dirent[]) {
      if (OWN.includes(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) walk(path, join(inside, entry.name));
      if (!entry.isCharacterDevice() && !entry.isBlockDevice()) continue;
      const { rdev, mode, uid, gid } = statSync(path, { bigint: true });
      found.push({
        path: join(inside, entry.name),
        type: entry.isBlockDevice() ? 'b' : 'c',
        major: major(rdev),
        minor: minor(rdev),
        fileMode: Number(mode) & 0o7777,
        uid: Number(uid),
        gid: Number(gid),
      });
    }
  };
  walk(root, '/dev');
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}
