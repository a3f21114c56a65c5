/**
 * `gantry copyup bench --quick` through tinybench: the same sets, each operation timed by itself, without its preparation.
 * Beside the threads, what people do without `copyup warm`: a shell that opens the same files one after the other.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FreshFiles, makeLowerFiles } from '../../src/copyup/bench-files.js';
import { benchPlan } from '../../src/copyup/bench-sets.js';
import { copyUpBenchSets } from '../../src/engine/copyup-bench.js';
import { freeSpace } from '../../src/engine/free-space.js';
import type { Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';

export async function copyUpSuite(): Promise<Suite> {
  const directory = mkdtempSync(join(benchDir(), 'copyup-'));
  const sets = [...copyUpBenchSets(benchPlan(directory, freeSpace(directory).bytes, true), true)];
  const touched = new FreshFiles(
    makeLowerFiles(join(directory, 'touched'), { bytes: 16_384, count: 64 }),
    'u',
  );
  const touch = (): number => {
    const { fd } = touched.renew();
    const started = performance.now();
    execFileSync('sh', ['-c', `cd /proc/${process.pid}/fd/${fd} && for f in *; do : >> "$f"; done`]);
    return performance.now() - started;
  };
  const cases = [
    ...sets.flatMap((set) =>
      set.cases.map(({ name, once }) => ({
        name: `${set.group} ${set.value}: ${name}`,
        group: set.group === 'size' ? `size ${set.value}` : set.group,
        bytes: set.bytes,
        run: async () => ({ overriddenDuration: await once() }),
      })),
    ),
    {
      name: 'a shell: 64 files',
      group: 'threads',
      bytes: 64 * 16_384,
      run: () => ({ overriddenDuration: touch() }),
    },
  ];
  return {
    time: 200,
    cases,
    close: async () => {
      touched.close();
      for (const set of sets) await set.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
