import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Precedence } from '../../src/copyup/precedence.js';
import { preemptOthers, takeTurns } from '../../src/core/fsops/preempt.js';

/** Field 41 of stat(5): 0 SCHED_OTHER, 1 SCHED_FIFO. */
const policy = (): number =>
  Number(readFileSync('/proc/thread-self/stat', 'utf8').split(') ')[1]!.split(' ')[38]);
const refused = !preemptOthers();
takeTurns();

describe.skipIf(refused)(`precedence${refused ? ' (skipped: real-time is refused here)' : ''}`, () => {
  afterEach(() => void takeTurns());
  const pass = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

  it('is had by a thread that sleeps, given up by one that does not, and had again', () => {
    const precedence = new Precedence();
    expect(policy()).toBe(1);
    pass(110);
    precedence.judge(100);
    expect(policy()).toBe(1);
    pass(110);
    precedence.judge(105);
    expect(policy()).toBe(0);
    pass(110);
    precedence.judge(1105);
    expect(policy()).toBe(1);
    precedence.end();
    expect(policy()).toBe(0);
  });
});
