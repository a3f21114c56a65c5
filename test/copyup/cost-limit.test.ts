import { describe, expect, it } from 'vitest';
import { costOver, parseCostLimit } from '../../src/copyup/cost-limit.js';
import { summarise } from '../../src/copyup/summary.js';
import { copied, profileOf } from '../helpers/copyup-profile.js';

describe('a limit of cost', () => {
  it.each([
    ['100MB', { of: 'bytes', limit: 100e6 }],
    ['1.5 GiB', { of: 'bytes', limit: 1.5 * 2 ** 30 }],
    ['64kib', { of: 'bytes', limit: 65_536 }],
    ['0B', { of: 'bytes', limit: 0 }],
    ['250ms', { of: 'time', limit: 250 }],
    ['1m30s', { of: 'time', limit: 90_000 }],
    ['100', undefined],
    ['100M', undefined],
    ['-1MB', undefined],
    ['MB', undefined],
    ['', undefined],
  ])('%s', (text, limit) => {
    expect(parseCostLimit(text)).toEqual(limit);
  });

  it('is exceeded by more, not by as much', () => {
    const summary = summarise(profileOf([copied('/a', 100, { durationMs: 5 })]));
    expect(costOver({ of: 'bytes', limit: 100 }, summary)).toBeUndefined();
    expect(costOver({ of: 'bytes', limit: 99 }, summary)).toBe(100);
    expect(costOver({ of: 'time', limit: 4.9 }, summary)).toBe(5);
  });

  it('in time is refused for copies without times, and kept by no copies', () => {
    const time = { of: 'time', limit: 1 } as const;
    expect(() => costOver(time, summarise(profileOf([copied('/a', 1)])))).toThrow('no times to compare');
    expect(costOver(time, summarise(profileOf([])))).toBeUndefined();
  });
});
