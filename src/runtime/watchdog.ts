/**
 * A killed CLI takes its container with it. A shell in a session of its own waits on a pipe whose other end only
 * this process has: a line says that all ended well; end of file, that this process died. It then ends the container
 * and unmounts its root; the next gantry command writes down the rest.
 *
 * No parent-death signal reaches so far: the kernel sends it when the process that made the container's first one
 * ends, and that is the runtime's `create`. The ending is tried three times, because a `create` that was under way
 * when we died may come up after the first; it is over when the mount point is gone, which is the sign that somebody
 * has cleaned up.
 */
import { closeSync, writeSync } from 'node:fs';
import { spawnProcess } from '../core/spawn.js';
import type { OciRuntime } from './oci-runtime.js';
import { pipe } from './pipe.js';
import { reap } from './reap.js';

const SCRIPT = `read -r _ && exit 0
id=$1 root=$2; shift 2
for pause in 0.05 0.5 1; do
  sleep "$pause"
  [ -d "$root" ] || exit 0
  "$@" delete --force "$id"
  umount -l "$root"
done`;

export interface Watchdog {
  /** The container is gone, or stays without us. */
  disarm(): void;
}

/** `root` is the mount point of the container's root. */
export function watch(runtime: OciRuntime, id: string, root: string): Watchdog {
  const { read, write } = pipe();
  let pid: number | undefined;
  try {
    pid = spawnProcess(['/bin/sh', '-c', SCRIPT, 'gantry-watchdog', id, root, ...runtime.command], {
      stdio: [read, 'ignore', 'ignore'],
      session: true,
      // Nothing of the caller's: CI systems find what to kill by variables like BUILD_ID.
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      cwd: '/',
    });
  } catch {
    // a host without sh: the next command cleans up
  } finally {
    closeSync(read);
  }
  return {
    disarm: () => {
      try {
        writeSync(write, '\n');
      } catch {
        // EPIPE: somebody killed it
      }
      closeSync(write);
      if (pid !== undefined) void reap(pid, { keepAlive: false });
    },
  };
}
