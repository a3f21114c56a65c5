/** `gantry copyup bench --quick` through tinybench: the same sets, each operation timed by itself, without its preparation. */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { benchPlan } from '../../src/copyup/bench-sets.js';
import { copyUpBenchSets } from '../../src/engine/copyup-bench.js';
import { freeSpace } from '../../src/engine/pull-plan.js';
import type { Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';

export async function copyUpSuite(): Promise<Suite> {
  const directory = mkdtempSync(join(benchDir(), 'copyup-'));
  const sets = [...copyUpBenchSets(benchPlan(directory, freeSpace(directory).bytes, true), true)];
  return {
    time: 200,
    cases: sets.flatMap((set) =>
      set.cases.map(({ name, once }) => ({
        name: `${set.group} ${set.value}: ${name}`,
        group: set.group === 'size' ? `size ${set.value}` : set.group,
        bytes: set.bytes,
        run: async () => ({ overriddenDuration: await once() }),
      })),
    ),
    close: async () => {
      for (const set of sets) await set.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
