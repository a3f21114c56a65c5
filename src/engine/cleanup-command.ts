/**
 * `gantry container cleanup <id>` as a command line: what conmon executes after a container's end. Who holds the container's
 * lock then is mostly an `rm -f`, so sh waits for it, and where the record is gone with it does without a start of Node: that
 * was most of what `rm -f` of a hundred took. One that was killed has let go of its lock and left the record.
 */
import type { ContainerID } from '../core/ids.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { Store } from './store.js';

const UNLESS_REMOVED = 'flock 9 2>/dev/null 9<"$1"; [ -e "$2" ] || exit 0; shift 2; exec "$@"';

/** `gantry` begins this program: `['/usr/bin/node', '/…/gantry.js']`. */
export const cleanupCommand = (
  gantry: readonly [string, ...string[]],
  store: Store,
  id: ContainerID,
): [string, ...string[]] => [
  ...(['/bin/sh', '-c', UNLESS_REMOVED, 'gantry-cleanup'] as const),
  store.lockPath('containers', id),
  new ContainerStore(store.root).path(id, 'config.v2.json'),
  ...gantry,
  ...['--root', store.root, 'container', 'cleanup', id],
];
