/**
 * What watching 100 containers costs: one tick over 100 cgroups made here, with a process in each. At 1 Hz a tick of
 * 10 ms is 1 % of a core. The last case adds the copy that goes to the main thread. As root.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupDirectories } from '../../src/engine/supervision-target.js';
import { cgroupLayout } from '../../src/runtime/cgroup-layout.js';
import { identify } from '../../src/runtime/process-identity.js';
import { systemClock } from '../../src/supervisor/clock.js';
import type { Notice } from '../../src/supervisor/messages.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';
import type { Target } from '../../src/supervisor/tracked.js';
import type { Suite } from '../harness/suite.js';

const CONTAINERS = 100;
const NEVER_MS = 2 ** 31 - 1;

export async function samplingSuite(): Promise<Suite> {
  const made: Member[] = [];
  for (let at = 0; at < CONTAINERS; at++) made.push(await member(`bench-${process.pid}-${at}`));
  let last: Notice | undefined;
  const watch = (members: readonly Member[]): Supervisor => {
    const supervisor = new Supervisor({
      proc: '/proc',
      clock: systemClock,
      interval: NEVER_MS,
      first: NEVER_MS,
      tell: (notice) => {
        last = notice;
      },
      taken: () => true,
    });
    supervisor.start();
    for (const { target } of members) supervisor.handle({ ask: 'track', target });
    return supervisor;
  };
  const all = watch(made);
  const one = watch(made.slice(0, 1));
  const group = 'sampling';
  return {
    time: 3000,
    cases: [
      { name: `tick of ${CONTAINERS}`, group, bytes: 0, run: () => all.tick() },
      { name: 'tick of 1', group, bytes: 0, run: () => one.tick() },
      {
        name: `tick of ${CONTAINERS} and its message`,
        group,
        bytes: 0,
        run: () => {
          all.tick();
          return structuredClone(last);
        },
      },
    ],
    close: async () => {
      for (const supervisor of [all, one]) supervisor.handle({ ask: 'stop' });
      await Promise.all(made.map(({ remove }) => remove()));
    },
  };
}

interface Member {
  readonly target: Target;
  remove(): Promise<void>;
}

/** A sleeping process in a cgroup of its own. */
async function member(id: string): Promise<Member> {
  const cgroup = cgroupDirectories(cgroupLayout(), id);
  const directories = [...new Set(Object.values(cgroup) as string[])];
  const child: ChildProcess = spawn('sleep', ['3600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  for (const directory of directories) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'cgroup.procs'), String(child.pid));
  }
  const { Pid: pid, StartTicks: startTicks } = identify(child.pid!)!;
  return {
    target: { id, pid, startTicks, cgroup, ownNetwork: true },
    remove: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await sleep(100); // the kernel keeps a cgroup busy for a moment after its last process
      for (const directory of directories) rmdirSync(directory);
    },
  };
}
