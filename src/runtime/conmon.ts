/**
 * conmon as the parent of a detached container (conmon(8), 2.1). It has a session of its own, outlives every gantry
 * process, keeps the log and the attach socket, and writes the end into the bundle:
 *
 *   <bundle>/exit        exit code in decimal, 128 + n by signal n     oom         there once the kernel killed for memory
 *           conmon.pid   conmon's own                                  attach      SOCK_SEQPACKET (attach-socket.ts)
 *           pid          of the container's first process              ctl         "1 <rows> <columns>\n", "2 0 0\n" (open the log anew)
 *           conmon.err   what it said before it was a daemon
 *
 *   init ── conmon ── <container's pid 1>
 *             └────── gantry container cleanup <id>      when that has ended
 *
 * Without `_OCI_SYNCPIPE` conmon ends without a word. Its working directory is the bundle: `oom` is made there.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError } from '../core/errors.js';
import { spawnProcess } from '../core/spawn.js';
import { keepSeccomp } from './compiled-seccomp.js';
import { openView, type View } from './hidden-mount.js';
import { deleteFromRuntime, findExecutable, type OciRuntime, startCreated } from './oci-runtime.js';
import { pipe } from './pipe.js';
import { identify, type ProcessIdentity } from './process-identity.js';
import { reap } from './reap.js';
import { runtimeError } from './runtime-error.js';

const DONE_MS = 2000;
const POLL_MS = 5;

export interface SuperviseOptions {
  readonly runtime: OciRuntime;
  readonly id: string;
  readonly name: string;
  /** The directory of config.json; at most 100 bytes, so that `attach` fits a socket's address. */
  readonly bundle: string;
  /** Where conmon also leaves the exit code, under the id: it outlives the bundle. */
  readonly exitDirectory: string;
  /** conmon's k8s-file log, or systemd's journal; not kept where undefined. */
  readonly log?: { readonly path: string; readonly maxBytes: number } | 'journald';
  readonly terminal: boolean;
  readonly openStdin: boolean;
  /** stdin stays open when an attached client goes. */
  readonly leaveStdinOpen: boolean;
  /** What conmon executes after the end. */
  readonly exitCommand: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  readonly path?: string;
  /** For error texts. */
  readonly command: string;
  readonly cwd: string;
}

export interface Supervised {
  readonly process: ProcessIdentity;
  readonly shim: ProcessIdentity;
  /** Executes the command. The caller takes all away when it throws. */
  start(): Promise<void>;
}

/** Exit code from the bundle's exit file; undefined while there is none. */
export function recordedExit(bundle: string): number | undefined {
  try {
    const text = readFileSync(join(bundle, 'exit'), 'utf8').trim();
    return /^\d+$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Waits until a `create` that was under way when gantry was killed is over: only then the runtime knows the container
 * that is to be deleted. conmon and the runtime have the bundle among their arguments; the conmon that waits for us as
 * its exit command is not meant.
 */
export async function creationDone(bundle: string): Promise<void> {
  if (!existsSync(join(bundle, 'conmon.err'))) return;
  const creates = (pid: string): boolean =>
    /^\d+$/.test(pid) && Number(pid) !== process.ppid && readText(`/proc/${pid}/cmdline`).includes(bundle);
  const over = (): boolean => existsSync(join(bundle, 'pid')) || !readdirSync('/proc').some(creates);
  for (let waited = 0; waited < DONE_MS && !over(); waited += POLL_MS) await sleep(POLL_MS);
}

/**
 * Waits, for a container that was killed, until its conmon has written what it has to write: a later one must not find
 * its `exit`. Not for ever; conmon may itself be stopped.
 */
export async function shimDone(bundle: string, id: string): Promise<void> {
  const pid = Number(readText(join(bundle, 'conmon.pid')));
  const writes = (): boolean => {
    const [program, ...args] = readText(`/proc/${pid}/cmdline`).split('\0');
    return program?.endsWith('conmon') === true && args.includes(id) && recordedExit(bundle) === undefined;
  };
  for (let waited = 0; pid > 0 && pid !== process.ppid && waited < DONE_MS && writes(); waited += POLL_MS)
    await sleep(POLL_MS);
}

export const recordedOom = (bundle: string): boolean => existsSync(join(bundle, 'oom'));

/**
 * Creates the container under a conmon of its own; nothing of it runs before `start`. ERR_RUNTIME_MISSING without
 * conmon; ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE, ERR_RUNTIME by what the runtime says.
 */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { runtime, id, bundle } = options;
  const conmon = findExecutable('conmon', options.path);
  if (conmon === undefined) {
    throw new GantryError('ERR_RUNTIME_MISSING', 'no shim for detached containers: expected conmon on PATH', {
      hint: 'apt-get install conmon',
    });
  }
  const failed = (said: string) => runtimeError(said, options.command, options.cwd);
  const errors = openSync(join(bundle, 'conmon.err'), 'w', 0o600);
  const answers = pipe();
  let view: View | undefined;
  let parted: Promise<number>;
  try {
    view = runtime.hidden === undefined ? undefined : openView(runtime.hidden);
    const parent = spawnProcess([conmon, ...conmonArguments(options, view)], {
      stdio: ['ignore', 'ignore', errors, answers.write],
      session: true,
      env: { ...options.environment, _OCI_SYNCPIPE: '3' },
      cwd: bundle,
    });
    parted = reap(parent); // it begets the one that stays, and writes down its pid
  } catch (cause) {
    closeSync(answers.read);
    view?.close();
    throw new GantryError('ERR_RUNTIME', `cannot run conmon: ${(cause as Error).message}`, {}, { cause });
  } finally {
    closeSync(answers.write);
    closeSync(errors);
  }
  const answer = await firstLine(new Socket({ fd: answers.read, readable: true, writable: false }));
  view?.close(); // the runtime is there, or has ended
  await parted;
  const { data, message } = parseAnswer(answer);
  const shim = identify(Number(readText(join(bundle, 'conmon.pid'))));
  const first = data > 0 ? identify(data) : undefined;
  if (first === undefined || shim === undefined) {
    await deleteFromRuntime(runtime, id);
    const said = message ?? readText(join(bundle, 'conmon.err'));
    // Nothing is under way: nobody has to wait for this conmon, which itself waits for the exit command.
    for (const name of ['conmon.err', 'conmon.pid']) rmSync(join(bundle, name), { force: true });
    throw failed(said);
  }
  keepSeccomp(runtime, id, bundle);
  return {
    process: first,
    shim,
    start: async () => {
      const result = await startCreated(runtime, id);
      if (result.status !== 0) throw failed(result.stderr);
    },
  };
}

function conmonArguments(options: SuperviseOptions, view: View | undefined): string[] {
  const { bundle, runtime, id, log } = options;
  // conmon itself stays in our mount namespace: its exit command unmounts the container's root.
  const entry = view === undefined ? [] : entering(view, options.path);
  const [executable, ...prefix] = [...entry, ...runtime.command] as [string, ...string[]];
  const [after, ...afterArguments] = options.exitCommand;
  return [
    ...['--api-version', '1', '--cid', id, '--cuuid', id, '--name', options.name],
    ...['--runtime', executable, ...prefix.map((word) => `--runtime-arg=${word}`)],
    ...['--bundle', bundle, '--container-pidfile', join(bundle, 'pid')],
    ...['--conmon-pidfile', join(bundle, 'conmon.pid'), '--persist-dir', bundle],
    ...['--exit-dir', options.exitDirectory, '--full-attach', '--log-level', 'error'],
    ...logArguments(log),
    ...(options.terminal ? ['--terminal'] : []),
    ...(options.openStdin ? ['--stdin'] : []),
    ...(options.openStdin && options.leaveStdinOpen ? ['--leave-stdin-open'] : []),
    ...['--exit-command', after, ...afterArguments.map((word) => `--exit-command-arg=${word}`)],
  ];
}

const entering = ({ namespace, root }: View, path: string | undefined): string[] => {
  const ours = `/proc/${process.pid}/fd`;
  const nsenter = findExecutable('nsenter', path) ?? 'nsenter';
  return [nsenter, `--mount=${ours}/${namespace}`, `--root=${ours}/${root}`, '--'];
};

function logArguments(log: SuperviseOptions['log']): string[] {
  if (log === undefined || log === 'journald') return ['--log-path', log ?? 'none'];
  return ['--log-path', `k8s-file:${log.path}`, '--log-size-max', String(log.maxBytes)];
}

/** The first line, or all there was when the other end closed. */
function firstLine(from: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => {
      from.destroy();
      resolve(text.split('\n')[0]!);
    };
    from.on('data', (bytes: Buffer) => {
      text += bytes;
      if (text.includes('\n')) done();
    });
    from.once('end', done);
    from.once('error', done);
  });
}

/** `{"data":PID}` or `{"data":-1,"message":"what the runtime said"}`. */
function parseAnswer(line: string): { readonly data: number; readonly message?: string } {
  try {
    return JSON.parse(line) as { data: number; message?: string };
  } catch {
    return { data: -1 };
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
