/**
 * A container's first process as a child of this one: `create` (everything but exec), `start` (exec), its streams and
 * its end. Nothing of the container runs before `start`, so what `create` prints is the runtime's own and its errors
 * are told apart from the container's for sure.
 *
 *   gantry ── <container's pid 1>       adopted when `crun create` ends; no runtime process stays
 *      └───── sh (watchdog)
 */
import { closeSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { keepSeccomp } from './compiled-seccomp.js';
import { type ConsoleSocket, consoleSocket, type Terminal } from './console.js';
import {
  deleteFromRuntime,
  forgetEnded,
  type OciRuntime,
  runtimeCommand,
  startCreated,
} from './oci-runtime.js';
import { type Pipe, pipe } from './pipe.js';
import { adoptOrphans, ended, release } from './reap.js';
import { runtimeError } from './runtime-error.js';
import { watch } from './watchdog.js';

export interface LaunchOptions {
  readonly runtime: OciRuntime;
  readonly id: string;
  /** The directory of config.json; `pid` and `console` come to lie beside it. */
  readonly bundle: string;
  readonly rootfs: string;
  readonly terminal: boolean;
  readonly openStdin: boolean;
  /** For error texts. */
  readonly command: string;
  readonly cwd: string;
}

export interface Launched {
  readonly pid: number;
  /** Not there without `openStdin`. */
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** Not there with a terminal. */
  readonly stderr?: Readable;
  resize(size: { readonly rows: number; readonly columns: number }): void;
  /** Sends a signal by number, if the process has not ended. */
  kill(signal: number): void;
  /** Executes the command. Throws like `launch`; the container is gone then. */
  start(): Promise<void>;
  /**
   * Exit code, 128 + n by signal n. The runtime has not forgotten the container yet, and /proc not its process, whose name somebody may
   * still want: call `remove`.
   */
  readonly exited: Promise<number>;
  /** Makes both forget it, cgroup included. */
  remove(): Promise<void>;
}

interface Streams {
  readonly stdin?: Pipe;
  readonly stdout?: Pipe;
  readonly stderr?: Pipe;
  readonly console?: ConsoleSocket;
}

function openStreams(options: LaunchOptions): Streams {
  if (options.terminal) return { console: consoleSocket(join(options.bundle, 'console')) };
  return { ...(options.openStdin ? { stdin: pipe() } : {}), stdout: pipe(), stderr: pipe() };
}

const reader = (from: Pipe): Readable => new Socket({ fd: from.read, readable: true, writable: false });

/** ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE, ERR_RUNTIME. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { runtime, id, bundle } = options;
  adoptOrphans();
  const watchdog = watch(runtime, id, options.rootfs);
  const remove = async (forget: typeof deleteFromRuntime): Promise<void> => {
    await forget(runtime, id);
    watchdog.disarm();
  };
  try {
    return await create(options, remove);
  } catch (error) {
    await remove(deleteFromRuntime);
    throw error;
  }

  async function create(
    launching: LaunchOptions,
    removeBy: (forget: typeof deleteFromRuntime) => Promise<void>,
  ): Promise<Launched> {
    const streams = openStreams(launching);
    const { stdin, stdout, stderr, console } = streams;
    const pidFile = join(bundle, 'pid');
    const args = ['create', '--bundle', bundle, '--pid-file', pidFile];
    const socket = console ? ['--console-socket', join(bundle, 'console')] : [];
    const running = runtimeCommand(
      runtime,
      [...args, ...socket, id],
      [stdin?.read ?? 'ignore', stdout?.write ?? 'ignore', ...(stderr ? [stderr.write] : [])],
    );
    for (const fd of [stdin?.read, stdout?.write, stderr?.write]) if (fd !== undefined) closeSync(fd);
    const errors = stderr && reader(stderr);
    const output = stdout && reader(stdout);
    const input = stdin && new Socket({ fd: stdin.write, readable: false, writable: true });
    input?.on('error', () => {}); // EPIPE: the container reads no more
    const failed = (said: string) => runtimeError(said, launching.command, launching.cwd);
    let screen: Terminal | undefined;
    try {
      const result = await running;
      if (result.status !== 0) throw failed(result.stderr || (errors ? await text(errors) : ''));
      keepSeccomp(runtime, id, bundle);
      screen = console?.receive();
    } catch (error) {
      for (const stream of [errors, output, input]) stream?.destroy();
      throw error;
    } finally {
      console?.close();
    }
    const pid = Number(readFileSync(pidFile, 'utf8'));
    let over = false;
    const exited = ended(pid).finally(() => {
      over = true;
    });
    const typed = options.openStdin ? (input ?? screen?.input) : undefined;
    return {
      pid,
      ...(typed === undefined ? {} : { stdin: typed }),
      stdout: (output ?? screen?.output)!,
      ...(errors === undefined ? {} : { stderr: errors }),
      resize: (size) => screen?.resize(size),
      kill: (signal) => {
        if (!over) process.kill(pid, signal);
      },
      start: async () => {
        const result = await startCreated(runtime, id);
        if (result.status === 0) return;
        typed?.destroy();
        await removeBy(deleteFromRuntime);
        await exited;
        release(pid);
        throw failed(result.stderr);
      },
      exited,
      remove: () => {
        if (!over) return removeBy(deleteFromRuntime);
        release(pid);
        return removeBy(forgetEnded);
      },
    };
  }
}
