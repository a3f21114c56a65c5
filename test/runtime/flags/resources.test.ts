import { describe, expect, it } from 'vitest';
import { limitsOf, parseCpus, parseUlimit } from '../../../src/runtime/flags/resources.js';

const MiB = 1024 * 1024;

describe('limits', () => {
  it('reads what is given and leaves the rest at none', () => {
    expect(limitsOf({}, 2)).toEqual({
      Memory: 0,
      MemorySwap: 0,
      MemoryReservation: 0,
      MemorySwappiness: null,
      NanoCpus: 0,
      CpuPeriod: 0,
      CpuQuota: 0,
      CpuShares: 0,
      CpusetCpus: '',
      CpusetMems: '',
    });
    const flags = { memory: '500M', memorySwap: '-1', cpus: '1.5', cpusetCpus: '0-1,3', pidsLimit: '-1' };
    expect(limitsOf(flags, 2)).toMatchObject({
      Memory: 500 * MiB,
      MemorySwap: -1,
      NanoCpus: 1.5e9,
      CpusetCpus: '0-1,3',
      PidsLimit: -1,
    });
  });

  it.each([
    [{ memory: '5m' }, 'Minimum memory limit allowed is 6MB'],
    [{ memory: 'lots' }, 'invalid argument "lots" for "-m, --memory" flag: invalid size: \'lots\''],
    [{ memory: '64m', memorySwap: '32m' }, 'Minimum memoryswap limit should be larger than memory limit'],
    [{ memorySwap: '32m' }, 'You should always set the Memory limit when using Memoryswap limit'],
    [
      { memory: '64m', memoryReservation: '65m' },
      'Minimum memory limit can not be less than memory reservation limit',
    ],
    [{ cpus: '3' }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ cpus: 'x' }, 'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number'],
    [{ cpus: '0.0000000001' }, 'value is too precise'],
    [{ cpusetCpus: '0..2' }, 'invalid argument "0..2" for "--cpuset-cpus" flag'],
    [{ pidsLimit: 'many' }, 'invalid argument "many" for "--pids-limit" flag'],
  ])('refuses %j', (flags, message) => expect(() => limitsOf(flags, 2)).toThrow(message));

  it('keeps CPUs in billionths', () => {
    expect(parseCpus('.25')).toBe(250_000_000);
    expect(parseCpus('0.1')).toBe(100_000_000);
  });
});

describe('--ulimit', () => {
  it.each([
    ['nofile=1024', { Name: 'nofile', Soft: 1024, Hard: 1024 }],
    ['nofile=1024:2048', { Name: 'nofile', Soft: 1024, Hard: 2048 }],
    ['core=-1', { Name: 'core', Soft: -1, Hard: -1 }],
    ['memlock=64:-1', { Name: 'memlock', Soft: 64, Hard: -1 }],
  ])('reads %s', (text, limit) => expect(parseUlimit(text)).toEqual(limit));

  it.each([
    ['nofile', 'invalid ulimit argument: nofile'],
    ['files=1', 'invalid ulimit type: files'],
    ['nofile=1:2:3', 'too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`'],
    ['nofile=5:3', 'ulimit soft limit must be less than or equal to hard limit: 5 > 3'],
    ['nofile=a', 'invalid ulimit argument: nofile=a'],
  ])('refuses %s', (text, message) => expect(() => parseUlimit(text)).toThrow(message));
});
