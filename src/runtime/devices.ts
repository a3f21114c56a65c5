/** The host's device nodes: all of them for `--privileged`, else what `--device` names. */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from './flags/invalid.js';
import type { DeviceSpec } from './oci-spec.js';

/** These are file systems or links of the container's own. */
const OWN = ['pts', 'shm', 'mqueue', 'fd', 'console', '.lxc', '.lxd-mounts', '.udev'];

// glibc's dev_t (sys/sysmacros.h), as stat gives it.
const major = (dev: bigint): number => Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn));
const minor = (dev: bigint): number => Number((dev & 0xffn) | ((dev >> 12n) & ~0xffn));

function deviceAt(path: string, inside: string): DeviceSpec | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!found?.isCharacterDevice() && !found?.isBlockDevice()) return undefined;
  return {
    path: inside,
    type: found.isBlockDevice() ? 'b' : 'c',
    major: major(found.rdev),
    minor: minor(found.rdev),
    fileMode: Number(found.mode) & 0o7777,
    uid: Number(found.uid),
    gid: Number(found.gid),
  };
}

/** Every character and block device below `root`, sorted by path, under `as`. */
export function hostDevices(root = '/dev', as = '/dev'): DeviceSpec[] {
  const found: DeviceSpec[] = [];
  const walk = (directory: string, inside: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true }) as Dirent[]) {
      if (OWN.includes(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) walk(path, join(inside, entry.name));
      if (!entry.isCharacterDevice() && !entry.isBlockDevice()) continue; // nor what a link leads to
      const device = deviceAt(path, join(inside, entry.name));
      if (device !== undefined) found.push(device);
    }
  };
  walk(root, as);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The device at a path, links followed, or those below a directory. ERR_INVALID_ARGUMENT when there is none. */
export function devicesAt(path: string): DeviceSpec[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  const device = deviceAt(path, path);
  const found = device !== undefined ? [device] : stat?.isDirectory() ? hostDevices(path, path) : [];
  if (found.length > 0) return found;
  const why = stat === undefined ? 'no such file or directory' : 'not a device node';
  throw invalid(
    `error gathering device information while adding custom device ${JSON.stringify(path)}: ${why}`,
  );
}
