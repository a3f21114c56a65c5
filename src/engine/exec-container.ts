/**
 * `docker exec`: one more process in a running container, as the runtime's child. The streams are the caller's own; a
 * terminal is made and passed on by the runtime. The process is described as in the bundle:
 *
 *   <bundle>/exec-<12 hex>.json     the OCI `process`
 *            exec-<12 hex>.json.pid   its pid, where it may have to be ended
 *            exec-<12 hex>.log      errors of the runtime: empty when the process ran, whatever its exit code is
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import { readBeneath } from '../runtime/beneath.js';
import { bundleDirectory } from '../runtime/bundle-directory.js';
import { capabilitiesFor } from '../runtime/capabilities.js';
import { beginCgroupGrace } from '../runtime/cgroup-grace.js';
import { cgroupLayout } from '../runtime/cgroup-layout.js';
import { hostFacts } from '../runtime/host-facts.js';
import type { ProcessSpec, RuntimeSpec } from '../runtime/oci-spec.js';
import { runtimeError } from '../runtime/runtime-error.js';
import { resolveUser } from '../runtime/user.js';
import { recordContainerEvent } from './events.js';
import { notRunning, runtimeOf, withContainer } from './running-container.js';
import type { Store } from './store.js';

export interface ExecOptions {
  readonly command: readonly [string, ...string[]];
  /** `NAME=value` */
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly tty?: boolean;
  readonly privileged?: boolean;
  /** Gives back as soon as it runs. */
  readonly detach?: boolean;
  /** Ends the process, by SIGKILL. */
  readonly signal?: AbortSignal;
  /** Descriptors of the caller for stdin, stdout and stderr; a closed one is /dev/null. */
  readonly stdio: readonly [number | 'ignore', number | 'ignore', number | 'ignore'];
}

/**
 * The exit code; 0 for one that was detached. ERR_NOT_FOUND; ERR_CONFLICT when the container does not run or is paused;
 * ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE, ERR_RUNTIME when the process did not run.
 */
export async function execInContainer(store: Store, what: string, options: ExecOptions): Promise<number> {
  const cgroups = cgroupLayout();
  beginCgroupGrace(cgroups).end(); // the runtime moves the process
  const { record, runtime, file, log, cwd } = await withContainer(store, what, ({ id, records, record }) => {
    const { State } = record;
    if (!State.Running) throw notRunning(id);
    if (State.Paused) {
      throw new GantryError(
        'ERR_CONFLICT',
        `Container ${what} is paused, unpause the container before exec`,
        {
          hint: `gantry unpause ${what}`,
        },
      );
    }
    const bundle = bundleDirectory(store.root, id);
    const { process: first } = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as RuntimeSpec;
    const hostConfig = records.hostConfig(id);
    const spec = processSpec(first, options, {
      root: `/proc/${State.Pid}/root`,
      user: options.user ?? record.Config.User ?? '',
      groups: hostConfig.GroupAdd ?? [],
    });
    const base = join(bundle, `exec-${randomBytes(6).toString('hex')}`);
    // RLIM_INFINITY is more than a number holds; it comes out as its neighbour.
    const text = JSON.stringify(spec).replaceAll('18446744073709552000', '18446744073709551615');
    writeFileSync(`${base}.json`, text, { mode: 0o600 });
    return { record, runtime: runtimeOf(store, id), file: `${base}.json`, log: `${base}.log`, cwd: spec.cwd };
  });
  const [program, ...words] = runtime.command;
  const pidFile = `${file}.pid`;
  const args = [
    ...words,
    '--log',
    log,
    'exec',
    '--process',
    file,
    ...(options.detach ? ['--detach'] : []),
    ...(options.signal ? ['--pid-file', pidFile] : []),
    record.ID,
  ];
  const execID = randomBytes(32).toString('hex');
  for (const action of ['exec_create', 'exec_start']) {
    recordContainerEvent(store, record, `${action}: ${options.command.join(' ')}`, { execID });
  }
  try {
    beginCgroupGrace(cgroups).end();
    const child = spawn(program, args, { stdio: [...options.stdio] });
    const cancel = (): void => end(child, pidFile);
    options.signal?.addEventListener('abort', cancel, { once: true });
    if (options.signal?.aborted) cancel();
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
    });
    const said = status === 0 ? '' : errorsIn(log);
    if (said !== '') throw runtimeError(said, options.command[0], cwd, 'exec');
    if (!options.detach)
      recordContainerEvent(store, record, 'exec_die', { execID, exitCode: String(status) });
    return status;
  } finally {
    for (const path of [file, log, pidFile]) rmSync(path, { force: true });
  }
}

/** While the runtime lives the pid is its child's: the process inside, which would outlive the runtime alone. */
function end(child: ChildProcess, pidFile: string): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (pid > 0) process.kill(pid, 'SIGKILL');
  } catch {
    // not made yet, or it ends just now
  }
  child.kill('SIGKILL');
}

function processSpec(
  first: ProcessSpec,
  options: ExecOptions,
  container: { readonly root: string; readonly user: string; readonly groups: readonly string[] },
): ProcessSpec {
  const accounts = {
    passwd: readBeneath(container.root, '/etc/passwd'),
    group: readBeneath(container.root, '/etc/group'),
  };
  const user = resolveUser(container.user, accounts, container.groups);
  const bounding = options.privileged
    ? capabilitiesFor({ privileged: true, bounding: hostFacts().bounding })
    : first.capabilities.bounding;
  const own = user.uid === 0 ? bounding : [];
  const given = new Map([...first.env, ...(options.env ?? [])].map((entry) => [entry.split('=')[0]!, entry]));
  const { consoleSize: _size, ...rest } = first;
  return {
    ...rest,
    terminal: options.tty ?? false,
    args: options.command,
    env: [...given.values()],
    cwd: options.workdir ?? first.cwd,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    capabilities: { bounding, effective: own, permitted: own, inheritable: [], ambient: [] },
    noNewPrivileges: first.noNewPrivileges && !options.privileged,
  };
}

/** crun logs bare lines, errors alone; runc lines with a level. */
function errorsIn(log: string): string {
  try {
    const lines = readFileSync(log, 'utf8').split('\n');
    return lines
      .filter((line) => !/\blevel=(warning|info|debug)\b/.test(line))
      .join('\n')
      .trim();
  } catch {
    return '';
  }
}
