/**
 * pipe2(2). Node's own stdio pipes are socket pairs, and a process cannot open a socket by /dev/stdout, which images
 * that link their log files there (nginx) rely on.
 */

import { O } from '../core/fsops/at.js';
import { bind, check } from '../core/fsops/libc.js';

const pipe2 = bind<(fds: Int32Array, flags: number) => number>('int pipe2(void*, int)');

export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Both ends close on exec. */
export function pipe(): Pipe {
  const fds = new Int32Array(2);
  check(pipe2(fds, O.CLOEXEC), 'pipe2', 'a pipe');
  return { read: fds[0]!, write: fds[1]! };
}
