import { describe, expect, it } from 'vitest';
import { cpuPercent, memoryPercent, memoryUsed } from '../../src/supervisor/formulas.js';

const cpu = (usage: number) => ({
  usage,
  user: 0,
  kernel: 0,
  periods: 0,
  throttledPeriods: 0,
  throttledTime: 0,
});
const memory = (usage: number, inactiveFile: number, limit = 0) => ({
  usage,
  inactiveFile,
  limit,
  peak: undefined,
  oomKills: 0,
});

describe('CPU %', () => {
  const before = { at: 0, cpuUsage: 1e9, systemUsage: 100e9 };
  it.each([
    ['half of one of two CPUs', 1.5e9, 102e9, 50],
    ['both CPUs', 3e9, 102e9, 200],
    ['nothing used', 1e9, 102e9, 0],
    ['a host that did not move', 2e9, 100e9, 0],
    ['counters that went back', 5e8, 102e9, 0],
  ])('%s', (_, used, host, percent) => {
    expect(cpuPercent({ cpu: cpu(used), system: { usage: host, cpus: 2 }, before })).toBeCloseTo(percent);
  });
  it('is 0 for a first sample', () => {
    expect(cpuPercent({ cpu: cpu(5e9), system: { usage: 1e10, cpus: 2 } })).toBe(0);
  });
});

describe('memory', () => {
  it('is without page cache that can be dropped', () => expect(memoryUsed(memory(200, 80))).toBe(120));
  it('is the usage where the cache is said to be larger', () => {
    expect(memoryUsed(memory(200, 200))).toBe(200);
    expect(memoryUsed(memory(200, 300))).toBe(200);
  });
  it('in percent of the limit', () => {
    expect(memoryPercent(memory(280, 80, 500))).toBe(40);
    expect(memoryPercent(memory(280, 80))).toBe(0);
  });
});
