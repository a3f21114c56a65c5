/**
 * posix_spawn(3). `node:child_process` forks: the kernel copies the page tables of Node's 100 MB while this thread
 * stands (2 ms), each page that is written afterwards faults, and the module with its sockets takes 4 ms to load.
 * posix_spawn's child runs in our memory until it executes: 0.3 ms. Nobody but the caller waits for it (reap.ts).
 *
 * As with `node:child_process`, the child has all signals at their default (a shell under a Node that ignores SIGPIPE
 * would ignore it too) and none blocked, and no descriptor but those it is given: ours close on exec.
 */
import { bind, E, syscallError } from './fsops/libc.js';

const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
const O_RDWR = 2;
const SIGSET_BYTES = 128;
/** posix_spawnattr_t has 336 bytes and posix_spawn_file_actions_t 80, in glibc and musl on 64 bits. */
const OPAQUE_BYTES = 1024;

type Opaque = Uint8Array;
type Strings = readonly (string | null)[];

const libc = {
  spawn: bind<
    (pid: number[], path: string, actions: Opaque, attributes: Opaque, argv: Strings, env: Strings) => number
  >('int posix_spawn(_Out_ int*, const char*, const void*, const void*, const char**, const char**)'),
  initActions: bind<(actions: Opaque) => number>('int posix_spawn_file_actions_init(void*)'),
  destroyActions: bind<(actions: Opaque) => number>('int posix_spawn_file_actions_destroy(void*)'),
  dup2: bind<(actions: Opaque, from: number, to: number) => number>(
    'int posix_spawn_file_actions_adddup2(void*, int, int)',
  ),
  open: bind<(actions: Opaque, fd: number, path: string, flags: number, mode: number) => number>(
    'int posix_spawn_file_actions_addopen(void*, int, const char*, int, uint32_t)',
  ),
  chdir: bind<(actions: Opaque, path: string) => number>(
    'int posix_spawn_file_actions_addchdir_np(void*, const char*)',
  ),
  initAttributes: bind<(attributes: Opaque) => number>('int posix_spawnattr_init(void*)'),
  setFlags: bind<(attributes: Opaque, flags: number) => number>('int posix_spawnattr_setflags(void*, short)'),
  setDefaults: bind<(attributes: Opaque, signals: Uint8Array) => number>(
    'int posix_spawnattr_setsigdefault(void*, const void*)',
  ),
};

export interface SpawnOptions {
  /** Becomes its descriptors 0, 1, 2 …: one of ours that is not below its place, or /dev/null. */
  readonly stdio: readonly (number | 'ignore')[];
  /** Default: ours. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** In a session of its own, away from the terminal and its signals. */
  readonly session?: boolean;
}

/** Gives the pid; the first word is an absolute path. ERR_SYSCALL with the errno when it cannot be executed. */
export function spawnProcess(
  argv: readonly [string, ...string[]],
  { stdio, env = process.env, cwd, session = false }: SpawnOptions,
): number {
  const [path] = argv;
  const entries = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${value}`,
  );
  for (const word of [...argv, ...entries]) {
    if (word.includes('\0')) throw syscallError('posix_spawn', path, E.EINVAL);
  }
  const actions = new Uint8Array(OPAQUE_BYTES);
  const attributes = new Uint8Array(OPAQUE_BYTES);
  const ok = (failed: number): void => {
    if (failed !== 0) throw syscallError('posix_spawn', path, failed);
  };
  ok(libc.initActions(actions));
  try {
    for (const [place, given] of stdio.entries()) {
      ok(
        given === 'ignore'
          ? libc.open(actions, place, '/dev/null', O_RDWR, 0)
          : libc.dup2(actions, given, place),
      );
    }
    if (cwd !== undefined) ok(libc.chdir(actions, cwd));
    ok(libc.initAttributes(attributes)); // with it no signal is blocked
    ok(libc.setDefaults(attributes, new Uint8Array(SIGSET_BYTES).fill(0xff)));
    ok(libc.setFlags(attributes, SETSIGDEF | SETSIGMASK | (session ? SETSID : 0)));
    const pid: number[] = [0];
    ok(libc.spawn(pid, path, actions, attributes, [...argv, null], [...entries, null]));
    return pid[0]!;
  } finally {
    libc.destroyActions(actions);
  }
}
