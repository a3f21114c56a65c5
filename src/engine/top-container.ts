/** `docker top`: the host's `ps` on the processes of a container's cgroup, by the host's pids. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GantryError } from '../core/errors.js';
import { cgroupLayout, cgroupsPath } from '../runtime/cgroup-layout.js';
import { findContainer } from './containers.js';
import { notRunning } from './running-container.js';
import type { Store } from './store.js';

export interface ProcessTable {
  readonly titles: readonly string[];
  /** One field a title; the last holds the rest of the line. */
  readonly processes: readonly (readonly string[])[];
}

/** `psArgs` as ps(1) takes them, `-ef` by default. ERR_NOT_FOUND; ERR_CONFLICT when it does not run; ERR_INVALID_ARGUMENT. */
export async function containerTop(
  store: Store,
  what: string,
  psArgs: readonly string[] = [],
): Promise<ProcessTable> {
  const { ID, State } = await findContainer(store, what);
  if (!State.Running) throw notRunning(ID);
  const { stdout } = await promisify(execFile)('ps', psArgs.length > 0 ? [...psArgs] : ['-ef']).catch(
    (cause) => {
      throw new GantryError('ERR_INVALID_ARGUMENT', `ps: ${(cause as Error).message.trim()}`, {}, { cause });
    },
  );
  const [head = '', ...lines] = stdout.trimEnd().split('\n');
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf('PID');
  if (column < 0) throw new GantryError('ERR_INVALID_ARGUMENT', "Couldn't find PID field in ps output");
  const pids = new Set(containerPids(ID));
  const processes = lines
    .map((line) => fields(line, titles.length))
    .filter((row) => pids.has(Number(row[column])));
  return { titles, processes };
}

/** Pids of the host, of every process in the container's cgroup. */
function containerPids(id: string): number[] {
  const { controllers } = cgroupLayout();
  const mount =
    controllers.get('pids') ?? controllers.get('memory') ?? [...controllers.values()][0] ?? '/sys/fs/cgroup';
  const text = readFileSync(join(mount, cgroupsPath(id), 'cgroup.procs'), 'utf8');
  return text.trim().split('\n').map(Number);
}

/** The last of `count` fields takes what is left, spaces and all. */
function fields(line: string, count: number): string[] {
  const words = line.trim().split(/\s+/);
  return [...words.slice(0, count - 1), words.slice(count - 1).join(' ')];
}
