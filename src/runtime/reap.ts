/**
 * The end of a process that Node did not spawn: of one of spawn.ts, or an orphan. `crun create` leaves the container's first process behind as an
 * orphan; prctl(PR_SET_CHILD_SUBREAPER) makes it ours instead of init's, and waitpid(2) gives its real status.
 * libuv waits only for the pids that it spawned, so nobody else takes it.
 */
import { bind, check, E, errno } from '../core/fsops/libc.js';

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
/** SIGCHLD tells us at once; this only covers a thread that gets no signals. It also keeps the event loop alive. */
const POLL_MS = 250;
/** The status was taken by somebody else: it is not known, and 0 would be a lie. */
const UNKNOWN = 255;

const prctl = bind<(option: number, a: number, b: number, c: number, d: number) => number>(
  'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
);
const waitpid = bind<(pid: number, status: Int32Array, options: number) => number>(
  'int waitpid(int, void*, int)',
);

/** From now on orphans among this process's descendants become its children. */
export const adoptOrphans = (): void => {
  check(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'prctl(PR_SET_CHILD_SUBREAPER)', 'this process');
};

/**
 * The exit code of a child that Node did not spawn, 128 + n when signal n ended it. Until it settles the pid stays that
 * process's. Without `keepAlive` this process may end before.
 */
export function reap(pid: number, { keepAlive = true } = {}): Promise<number> {
  return new Promise((resolve) => {
    const status = new Int32Array(1);
    const look = (): void => {
      const found = waitpid(pid, status, WNOHANG);
      if (found === 0 || (found < 0 && errno() === E.EINTR)) return;
      process.off('SIGCHLD', look);
      clearInterval(timer);
      const [word = 0] = status;
      const signal = word & 0x7f;
      resolve(found < 0 ? UNKNOWN : signal === 0 ? (word >> 8) & 0xff : 128 + signal);
    };
    const timer = setInterval(look, POLL_MS);
    if (!keepAlive) timer.unref();
    process.on('SIGCHLD', look);
    look();
  });
}
