/** What the bundle must know of this machine, and where on it the state of running containers lies. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import type { HostFacts } from './bundle.js';
import { boundingSet } from './capabilities.js';
import { cgroupLayout } from './cgroup-layout.js';
import { devicesAt, hostDevices } from './devices.js';
import { findExecutable } from './oci-runtime.js';

export const hostFacts = (): HostFacts => ({
  cgroups: cgroupLayout(),
  bounding: boundingSet(readFileSync('/proc/self/status', 'utf8')),
  arch: arch(),
  kernel: release(),
  devices: (path) => (path === undefined ? hostDevices() : devicesAt(path)),
});

/**
 * `/run/gantry/<12 hex of the root's path>/`: gone with the boot, like the processes that it tells of; apart for each
 * store, whose containers may share names and ids with another's copy.
 */
export const runDirectory = (root: string): string =>
  join('/run/gantry', createHash('sha256').update(root).digest('hex').slice(0, 12));

/** `<id>` holds the exit code of a detached container's last run, also when the container is gone. */
export const exitDirectory = (root: string): string => join(runDirectory(root), 'exits');

/** The reaper for `--init`. Only static ones: the container has its own libraries, or none. */
export function findInit(path?: string): string {
  for (const name of ['docker-init', 'tini-static', 'catatonit']) {
    const found = findExecutable(name, path);
    if (found !== undefined) return found;
  }
  throw new GantryError(
    'ERR_RUNTIME_MISSING',
    '--init: expected docker-init, tini-static or catatonit on PATH',
    {
      hint: 'apt-get install catatonit',
    },
  );
}
