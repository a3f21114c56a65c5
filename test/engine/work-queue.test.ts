import { expect, it } from 'vitest';
import { WorkQueue } from '../../src/engine/work-queue.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('starts the biggest of those that came together, and never more than its width', async () => {
  const queue = new WorkQueue(2);
  const started: string[] = [];
  const finish = new Map<string, () => void>();
  const add = (name: string, weight: number, cost = 1): Promise<void> =>
    queue.run(weight, cost, () => {
      started.push(name);
      return new Promise<void>((resolve) => finish.set(name, resolve));
    });
  const all = [add('small', 1), add('large', 9), add('pair', 8, 2), add('middle', 5)];
  await turn();
  // The pair needs both threads, so it waits for them, and what is smaller does not overtake it.
  expect(started).toEqual(['large']);
  finish.get('large')?.();
  await turn();
  await turn();
  expect(started).toEqual(['large', 'pair']);
  finish.get('pair')?.();
  await turn();
  await turn();
  expect(started).toEqual(['large', 'pair', 'middle', 'small']);
  finish.get('middle')?.();
  finish.get('small')?.();
  await Promise.all(all);
});

it('goes on after a job that failed', async () => {
  const queue = new WorkQueue(1);
  const failed = queue.run(1, 1, () => Promise.reject(new Error('no')));
  const next = queue.run(1, 1, () => Promise.resolve('yes'));
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('yes');
});
