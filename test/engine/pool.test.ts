import { expect, it } from 'vitest';
import { Pool } from '../../src/engine/pool.js';

it('may be closed while threads are still starting', async () => {
  for (let round = 0; round < 8; round++) {
    const pool = new Pool('copyup', 4);
    const tasks = Array.from({ length: 3 }, () => pool.run('compareFiles', []));
    await expect(tasks[0]).resolves.toEqual([]);
    await Promise.all(tasks);
    await pool.close();
  }
});

it('lets running tasks end before its threads do', async () => {
  for (let round = 0; round < 8; round++) {
    const pool = new Pool('copyup', 2);
    const tasks = Array.from({ length: 2 }, () => pool.run('compareFiles', []));
    await pool.close();
    expect(await Promise.all(tasks)).toEqual([[], []]);
  }
});
