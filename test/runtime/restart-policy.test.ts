import { describe, expect, it } from 'vitest';
import type { ContainerRecord } from '../../src/runtime/container-record.js';
import { CREATED } from '../../src/runtime/container-state.js';
import {
  nextDelay,
  parseRestartPolicy,
  restartDelay,
  startsAtBoot,
  wantsRestart,
} from '../../src/runtime/restart-policy.js';
import { hostConfigOf } from './host-config.js';

const START = '2024-05-01T10:00:00.000Z';
const ended = (code: number, seconds: number, more: Partial<ContainerRecord> = {}): ContainerRecord =>
  ({
    RestartCount: 0,
    State: {
      ...CREATED,
      ExitCode: code,
      StartedAt: START,
      FinishedAt: new Date(Date.parse(START) + seconds * 1000).toISOString(),
    },
    ...more,
  }) as ContainerRecord;

describe('restart policies', () => {
  const wants = (policy: string, record: ContainerRecord) =>
    wantsRestart(record, hostConfigOf({ RestartPolicy: parseRestartPolicy(policy) }));

  it.each([
    ['no', 1, {}, false],
    ['always', 0, {}, true],
    ['unless-stopped', 0, {}, true],
    ['always', 0, { HasBeenManuallyStopped: true }, false],
    ['on-failure', 0, {}, false],
    ['on-failure', 1, { RestartCount: 50 }, true],
    ['on-failure:3', 1, { RestartCount: 2 }, true],
    ['on-failure:3', 1, { RestartCount: 3 }, false],
  ])('%s after exit %i with %j: %s', (policy, code, more, wanted) => {
    expect(wants(policy, ended(code, 1, more))).toBe(wanted);
  });

  it.each(['sometimes', 'always:3', 'on-failure:x', 'on-failure:1:2'])('refuses %s', (policy) => {
    expect(() => parseRestartPolicy(policy)).toThrow('invalid restart policy');
  });

  it('waits longer each time, up to a minute, and from the start again after ten seconds', () => {
    expect(restartDelay(ended(1, 1))).toBe(100);
    expect(restartDelay(ended(1, 1, { RestartDelay: 100 }))).toBe(200);
    expect(restartDelay(ended(1, 1, { RestartDelay: 50_000 }))).toBe(60_000);
    expect(restartDelay(ended(1, 10, { RestartDelay: 50_000 }))).toBe(100);
    expect(nextDelay(ended(1, 10, { RestartDelay: 25_000 }))).toBe(50_000);
    expect(nextDelay(ended(1, 10, { RestartDelay: 50_000 }))).toBe(60_000);
  });

  it.each([
    ['no', 255, {}, false],
    ['always', 255, {}, true],
    ['always', 137, { HasBeenManuallyStopped: true }, true],
    ['unless-stopped', 255, {}, true],
    ['unless-stopped', 255, { HasBeenManuallyStopped: true }, false],
    ['on-failure', 255, {}, true],
    ['on-failure', 0, {}, false],
  ])('%s after exit %i with %j, at boot: %s', (policy, code, more, wanted) => {
    const hostConfig = hostConfigOf({ RestartPolicy: parseRestartPolicy(policy) });
    expect(startsAtBoot(ended(code, 1, more), hostConfig)).toBe(wanted);
  });

  it('starts at boot nothing that never ran', () => {
    const record = { ...ended(0, 0), State: CREATED };
    expect(startsAtBoot(record, hostConfigOf({ RestartPolicy: parseRestartPolicy('always') }))).toBe(false);
  });
});
