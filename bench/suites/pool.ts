/**
 * One task through the pool and back, with next to nothing done in it: its staging directory does not exist, so what
 * is measured is the message, the thread's wake-up and an error's way home. Needs the built worker (npm run build).
 */
import { join } from 'node:path';
import { digestOf, parseDiffID } from '../../src/core/digest/digest.js';
import { ProgressWords } from '../../src/core/progress-words.js';
import { Pool } from '../../src/engine/pool.js';
import type { Case, Suite } from '../harness/suite.js';
import { benchDir } from '../images/build.js';

export async function poolSuite(): Promise<Suite> {
  const dir = join(benchDir(), 'no-such-directory');
  const pool = new Pool('layer', 2);
  const digest = digestOf('nothing');
  const input = {
    source: {
      endpoints: [],
      repository: 'bench',
      auth: { credentials: new Map(), challenges: new Map(), tokens: new Map() },
      userAgent: 'gantry-bench',
    },
    digest,
    diffID: parseDiffID(digest),
    size: 1,
    staging: dir,
    partials: join(dir, 'partials'),
    hash: 'native',
    words: new ProgressWords().shared,
  } as const;
  const once = async (): Promise<void> => {
    try {
      await pool.run('fetchLayer', input);
    } catch (error) {
      if (/ENOENT/.test(String(error))) return;
      throw error;
    }
    throw new Error('a task without a directory succeeded');
  };
  const group = 'pool';
  const cases: Case[] = [
    { name: 'round trip', group, bytes: 0, run: once },
    {
      name: '100 round trips at once',
      group,
      bytes: 0,
      run: () => Promise.all(Array.from({ length: 100 }, once)),
    },
  ];
  return {
    cases,
    close: () => pool.close(),
  };
}
