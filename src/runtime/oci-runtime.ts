/**
 * The OCI runtime on this host: which one, and how its commands are begun.
 *
 *   crun --root /run/gantry/<store>/crun --cgroup-manager=cgroupfs create --bundle … <id>
 *   runc --root /run/gantry/<store>/runc create --bundle … <id>
 *
 * crun is taken first: it starts a ready bundle in a third of runc's time. crun before 1.9 refuses a hybrid host whose
 * cgroup2 side still holds a controller ("drop all controllers from cgroupv2"); it works in a mount namespace of
 * its own where that side is not mounted, so there `create` alone (start and delete do not look) begins with
 *
 *   unshare --mount --propagation slave sh -c 'umount "$1" && shift && exec "$@"' sh /sys/fs/cgroup/unified crun …
 */
import { type StdioOptions, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { GantryError } from '../core/errors.js';
import type { CgroupLayout } from './cgroup-layout.js';
import { removeCgroup } from './remove-cgroup.js';

export interface OciRuntime {
  readonly name: string;
  readonly path: string;
  /** Where it keeps what it knows of each container, in a directory named by the id. */
  readonly state: string;
  /** What every command begins with, up to the runtime's own subcommand. */
  readonly command: readonly [string, ...string[]];
  /** What comes before that for `create`. */
  readonly createPrefix: readonly string[];
}

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const WITHOUT_UNIFIED = 'umount "$1" && shift && exec "$@"';

/** The first executable of that name in `path` or in the system's directories (a user's PATH often lacks sbin). */
export function findExecutable(name: string, path = ''): string | undefined {
  const candidates = name.includes('/')
    ? [name]
    : `${path}:${SYSTEM_PATH}`.split(':').flatMap((directory) => (directory ? join(directory, name) : []));
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
    if (!name.includes('crun'))
      return { name, path, state, command: [path, '--root', state], createPrefix: [] };
    const command = [path, '--root', state, '--cgroup-manager=cgroupfs'] as const;
    if (unified === undefined || unified.controllers.length === 0) {
      return { name, path, state, command, createPrefix: [] };
    }
    const unshare = findExecutable('unshare', choice.path);
    if (unshare === undefined) continue;
    const alone = [unshare, '--mount', '--propagation', 'slave', 'sh', '-c', WITHOUT_UNIFIED, 'sh'] as const;
    return { name, path, state, command, createPrefix: [...alone, unified.path] };
  }
  throw new GantryError(
    'ERR_RUNTIME_MISSING',
    `no OCI runtime: expected ${forced ?? 'crun or runc'} on PATH`,
    {
      hint: 'apt-get install crun',
    },
  );
}

export interface CommandResult {
  readonly status: number;
  readonly stderr: string;
}

/** Runs one runtime command to its end. `stdio` for a command that hands descriptors on to the container. */
export async function runtimeCommand(
  runtime: OciRuntime,
  args: readonly string[],
  stdio: StdioOptions = ['ignore', 'ignore', 'pipe'],
): Promise<CommandResult> {
  const prefix = args[0] === 'create' ? runtime.createPrefix : [];
  const [command, ...rest] = [...prefix, ...runtime.command, ...args] as [string, ...string[]];
  const child = spawn(command, rest, { stdio });
  const stderr = child.stderr ? text(child.stderr) : Promise.resolve('');
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new GantryError('ERR_RUNTIME', `cannot run ${command}: ${cause.message}`, {}, { cause })),
    );
    child.once('exit', (code) => resolve(code ?? 255));
  });
  return { status, stderr: await stderr };
}

/** Ends and forgets the container in the runtime, cgroup included, also where a killed runtime knows nothing of it. */
export async function deleteFromRuntime(runtime: OciRuntime, id: string): Promise<void> {
  await runtimeCommand(runtime, ['delete', '--force', id]);
  await removeCgroup(id);
}
