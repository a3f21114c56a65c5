/**
 * `<hierarchy>/gantry/<id>` of a container whose runtime does not know it (any more): a runtime that was killed while it
 * created one, as conmon's death kills it, has made the control groups and has written nothing down.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoCode } from '../core/errors.js';
import { cgroupsPath } from './cgroup-layout.js';

const GONE_MS = 2000;
const POLL_MS = 10;

/** Ends its processes and removes it; quick where there is none. One that stays busy is left to the next call. */
export async function removeCgroup(id: string): Promise<void> {
  const directories = directoriesOf(id);
  for (let waited = 0; waited < GONE_MS; waited += POLL_MS) {
    const left = directories.filter((directory) => existsSync(directory));
    for (const directory of left) removeTree(directory, killAll);
    if (left.length === 0) return;
    await sleep(POLL_MS);
  }
}

/** Removes it if no process is in it. Whether it is gone. */
export function removeEmptyCgroup(id: string): boolean {
  const directories = directoriesOf(id);
  for (const directory of directories) {
    removeTree(directory);
    if (existsSync(directory)) return false; // with a process in it, in all the others too
  }
  return true;
}

/** In every hierarchy, those without a controller too: crun makes one in each. */
function directoriesOf(id: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return mounts
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => join(line.split(' ')[4]!, cgroupsPath(id)));
}

function removeTree(directory: string, before?: (directory: string) => void): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(directory, entry.name), before);
    }
    before?.(directory);
    rmdirSync(directory);
  } catch (error) {
    if (!['ENOENT', 'EBUSY', 'ESRCH', 'ENODEV'].includes(errnoCode(error) ?? '')) throw error;
  }
}

function killAll(directory: string): void {
  for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
    if (Number(pid) > 0) process.kill(Number(pid), 'SIGKILL'); // 0 is one of another pid namespace
  }
}
