/** `gantry container cleanup <id>` as a command line: what conmon executes after a container's end. */
import type { ContainerID } from '../core/ids.js';

/** `gantry` begins this program: `['/usr/bin/node', '/…/gantry.js']`. */
export const cleanupCommand = (
  [program, ...args]: readonly [string, ...string[]],
  root: string,
  id: ContainerID,
): [string, ...string[]] => [program, ...args, '--root', root, 'container', 'cleanup', id];
