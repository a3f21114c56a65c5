/**
 * The end of a process that Node did not spawn: of one of spawn.ts, or an orphan. `crun create` leaves the container's
 * first process behind as an orphan; prctl(PR_SET_CHILD_SUBREAPER) makes it ours instead of init's, and waitid(2) gives
 * its real status. libuv waits only for the pids that it spawned, so nobody else takes it.
 */
import { bind, check, E, errno } from '../core/fsops/libc.js';

const PR_SET_CHILD_SUBREAPER = 36;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x1000000;
const CLD_EXITED = 1;
/** Of siginfo_t, 128 bytes, on 64 bits: si_code, si_pid, si_status as int32. */
const SIGINFO_WORDS = 32;
const AT = { code: 2, pid: 4, status: 6 } as const;
/** SIGCHLD tells us at once; this only covers a thread that gets no signals. It also keeps the event loop alive. */
const POLL_MS = 250;
/** The status was taken by somebody else: it is not known, and 0 would be a lie. */
const UNKNOWN = 255;

const prctl = bind<(option: number, a: number, b: number, c: number, d: number) => number>(
  'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
);
const waitpid = bind<(pid: number, status: null, options: number) => number>('int waitpid(int, void*, int)');
const waitid = bind<(what: number, id: number, info: Int32Array, options: number) => number>(
  'int waitid(int, uint32_t, void*, int)',
);

/** From now on orphans among this process's descendants become its children. */
export const adoptOrphans = (): void => {
  check(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'prctl(PR_SET_CHILD_SUBREAPER)', 'this process');
};

/**
 * Waits for the end of a child that Node did not spawn, and gives its exit code, 128 + n when signal n ended it. The child stays a
 * zombie, its pid and /proc entry its own, until `release`. Without `keepAlive` this process may end before.
 */
export function ended(pid: number, { keepAlive = true } = {}): Promise<number> {
  return new Promise((resolve) => {
    const info = new Int32Array(SIGINFO_WORDS);
    const look = (): void => {
      const failed = waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) < 0;
      if (failed ? errno() === E.EINTR : info[AT.pid] === 0) return;
      process.off('SIGCHLD', look);
      clearInterval(timer);
      const status = info[AT.status]!;
      resolve(failed ? UNKNOWN : info[AT.code] === CLD_EXITED ? status : 128 + status);
    };
    const timer = setInterval(look, POLL_MS);
    if (!keepAlive) timer.unref();
    process.on('SIGCHLD', look);
    look();
  });
}

/** Lets a child go that has ended. */
export const release = (pid: number): void => void waitpid(pid, null, WNOHANG);

/** Both. */
export async function reap(pid: number, options: { readonly keepAlive?: boolean } = {}): Promise<number> {
  const code = await ended(pid, options);
  release(pid);
  return code;
}
