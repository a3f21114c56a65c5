/**
 * The OCI runtime on this host: which one, and how its commands are begun.
 *
 *   crun --root /run/gantry/<store>/crun --cgroup-manager=cgroupfs create --bundle … <id>
 *   runc --root /run/gantry/<store>/runc create --bundle … <id>
 *
 * crun is taken first: it starts a ready bundle in a third of runc's time. It refuses a hybrid host whose cgroup2 side
 * still holds a controller ("drop all controllers from cgroupv2"); `create` alone (start and delete do not look) is
 * begun where that side is not mounted.
 *
 * `crun start` is a process of 8 ms for one byte: the container's first process waits for it on a fifo that is there
 * while the container is "created", from crun 0.4 to 1.29 (libcrun_status_write_exec_fifo). We write it ourselves:
 *
 *   <state>/<id>/exec.fifo     opened (ENXIO: nobody waits, the container has ended), unlinked, one NUL written
 *
 * and leave to `crun start` what is not so, for it knows the reason, and a service manager's NOTIFY_SOCKET, on which
 * it would pass the container's word. Fusing both into `crun run --detach` would save no more and could not wait for a
 * network in between. runc's fifo is read from the other side: its own `start` is used.
 */
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { GantryError } from '../core/errors.js';
import { memoryFile, textOf } from '../core/fsops/memory-file.js';
import { type SpawnOptions, spawnProcess } from '../core/spawn.js';
import type { CgroupLayout } from './cgroup-layout.js';
import { withoutMount } from './hidden-mount.js';
import { reap } from './reap.js';
import { removeCgroup, removeEmptyCgroup } from './remove-cgroup.js';

export interface OciRuntime {
  readonly name: string;
  readonly path: string;
  /** Where it keeps what it knows of each container, in a directory named by the id. */
  readonly state: string;
  /** What every command begins with, up to the runtime's own subcommand. */
  readonly command: readonly [string, ...string[]];
  /** A mount point that `create` must not see. */
  readonly hidden?: string;
}

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The first executable of that name in `path` or in the system's directories (a user's PATH often lacks sbin). Absolute,
 * because others have another working directory: conmon, the watchdog, who removes the container.
 */
export function findExecutable(name: string, path = ''): string | undefined {
  const candidates = name.includes('/')
    ? [resolve(name)]
    : `${path}:${SYSTEM_PATH}`.split(':').flatMap((directory) => (directory ? resolve(directory, name) : []));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface RuntimeChoice {
  /** `crun`, `runc` or a path: nothing else is tried. */
  readonly forced?: string;
  readonly path?: string;
  readonly cgroups: CgroupLayout;
  /** Where the runtime keeps its state; a directory below is made for each runtime. */
  readonly stateDirectory: string;
}

/** Throws ERR_RUNTIME_MISSING when the host has none. */
export function chooseRuntime(choice: RuntimeChoice): OciRuntime {
  const { forced, cgroups } = choice;
  const { unified } = cgroups;
  for (const candidate of forced === undefined ? ['crun', 'runc'] : [forced]) {
    const path = findExecutable(candidate, choice.path);
    if (path === undefined) continue;
    const name = basename(path);
    const state = join(choice.stateDirectory, name);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    if (!isCrun({ name })) return { name, path, state, command: [path, '--root', state] };
    const hidden = unified === undefined || unified.controllers.length === 0 ? {} : { hidden: unified.path };
    return { name, path, state, command: [path, '--root', state, '--cgroup-manager=cgroupfs'], ...hidden };
  }
  throw new GantryError(
    'ERR_RUNTIME_MISSING',
    `no OCI runtime: expected ${forced ?? 'crun or runc'} on PATH`,
    {
      hint: 'apt-get install crun',
    },
  );
}

const isCrun = ({ name }: Pick<OciRuntime, 'name'>): boolean => name.includes('crun');

export interface CommandResult {
  readonly status: number;
  readonly stderr: string;
}

/** Runs one runtime command to its end; begun when this returns. `stdio` for one that hands descriptors on to the container. */
export async function runtimeCommand(
  runtime: OciRuntime,
  args: readonly string[],
  stdio: SpawnOptions['stdio'] = ['ignore', 'ignore'],
): Promise<CommandResult> {
  const [stdin = 'ignore', stdout = 'ignore', stderr] = stdio;
  const said = stderr === undefined ? memoryFile('stderr') : undefined;
  try {
    const begin = (): number =>
      spawnProcess([...runtime.command, ...args], { stdio: [stdin, stdout, stderr ?? said!] });
    const { hidden } = runtime;
    const pid = args[0] === 'create' && hidden !== undefined ? withoutMount(hidden, begin) : begin();
    const status = await reap(pid);
    return { status, stderr: said === undefined ? '' : textOf(said) };
  } catch (cause) {
    const why = (cause as Error).message;
    throw new GantryError('ERR_RUNTIME', `cannot run ${runtime.path}: ${why}`, {}, { cause });
  } finally {
    if (said !== undefined) closeSync(said);
  }
}

/** Executes the command of a container that was created. The result is that of the runtime's `start`. */
export async function startCreated(runtime: OciRuntime, id: string): Promise<CommandResult> {
  return released(runtime, id) ? { status: 0, stderr: '' } : runtimeCommand(runtime, ['start', id]);
}

function released(runtime: OciRuntime, id: string): boolean {
  if (!isCrun(runtime) || process.env.NOTIFY_SOCKET !== undefined) return false;
  const fifo = join(runtime.state, id, 'exec.fifo');
  try {
    const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      unlinkSync(fifo);
      return writeSync(fd, '\0') === 1;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/**
 * Ends and forgets the container in the runtime, cgroup included, also where a killed runtime knows nothing of it, or
 * where the runtime cannot be executed.
 */
export async function deleteFromRuntime(runtime: OciRuntime, id: string): Promise<void> {
  await runtimeCommand(runtime, ['delete', '--force', id]).catch(() => {}); // as when it fails: what it leaves goes next
  await removeCgroup(id);
}

/**
 * The same for a container whose first process has ended. Where it was the last one, crun's delete would only take away
 * the cgroup and its own directory: a process of 6 ms (container_delete_internal in crun 1.8 and 1.29).
 */
export async function forgetEnded(runtime: OciRuntime, id: string): Promise<void> {
  if (!isCrun(runtime) || !removeEmptyCgroup(id)) return deleteFromRuntime(runtime, id);
  const directory = join(runtime.state, id);
  rmSync(join(directory, 'status'), { force: true }); // first: with it and without the rest crun would delete nothing
  rmSync(directory, { recursive: true, force: true });
}
