import { describe, expect, it } from 'vitest';
import {
  afterProbe,
  type Health,
  type Healthcheck,
  nextProbe,
  type Probe,
  probeCommand,
  startedHealth,
} from '../../src/runtime/health.js';

const STARTED = '2024-05-01T10:00:00.000Z';
const at = (seconds: number) => new Date(Date.parse(STARTED) + seconds * 1000).toISOString();
const SECOND = 1e9;

/** Began so many seconds after the container, and took a second. */
const probe = (seconds: number, ExitCode: number): Probe => ({
  Start: at(seconds),
  End: at(seconds + 1),
  ExitCode,
  Output: '',
});
const check: Healthcheck = { Test: ['CMD', 'true'], Interval: 10 * SECOND, Retries: 2 };
const slow: Healthcheck = { ...check, StartPeriod: 30 * SECOND, StartInterval: 2 * SECOND };

describe('what is executed', () => {
  it.each<[string, Healthcheck | null | undefined, readonly string[] | undefined]>([
    ['CMD', { Test: ['CMD', 'curl', '-f', 'x y'] }, ['curl', '-f', 'x y']],
    ['CMD-SHELL', { Test: ['CMD-SHELL', 'a && b'] }, ['/bin/sh', '-c', 'a && b']],
    ['NONE', { Test: ['NONE'] }, undefined],
    ['an empty test', { Test: [] }, undefined],
    ['CMD of nothing', { Test: ['CMD'] }, undefined],
    ['times alone', { Interval: SECOND }, undefined],
    ['a word that is none', { Test: ['RUN', 'x'] }, undefined],
    ['null', null, undefined],
    ['nothing', undefined, undefined],
  ])('%s', (_, Healthcheck, command) => {
    expect(probeCommand({ Healthcheck })).toEqual(command);
  });

  it('the shell of the image', () => {
    const Healthcheck = { Test: ['CMD-SHELL', 'a'] };
    expect(probeCommand({ Healthcheck, Shell: ['/bin/bash', '-ec'] })).toEqual(['/bin/bash', '-ec', 'a']);
  });
});

describe('the state', () => {
  // Each letter is a probe, ten seconds after the one before: `.` passed, `x` failed, `!` did not run.
  it.each([
    ['', 'starting 0', check],
    ['.', 'healthy 0', check],
    ['x', 'starting 1', check],
    ['!', 'starting 1', check],
    ['xx', 'unhealthy 2', check],
    ['x.', 'healthy 0', check],
    ['.x', 'healthy 1', check],
    ['.xx', 'unhealthy 2', check],
    ['.x.x', 'healthy 1', check],
    ['xxx', 'unhealthy 3', check],
    ['xxx.', 'healthy 0', check],
    ['xx', 'starting 2', { ...check, Retries: 0 }],
    ['xxx', 'unhealthy 3', { ...check, Retries: 0 }],
    // At 10 and 20 s it is in its start period; at 30 and 40 not.
    ['xx', 'starting 0', slow],
    ['xxx', 'starting 1', slow],
    ['xxxx', 'unhealthy 2', slow],
    // Once it was healthy the start period forgives nothing.
    ['.x', 'healthy 1', slow],
    ['.xx', 'unhealthy 2', slow],
  ])('%j → %s', (letters, expected, by) => {
    const health = [...letters].reduce(
      (before, letter, index) =>
        afterProbe(
          before,
          probe((index + 1) * 10, letter === '.' ? 0 : letter === 'x' ? 7 : -1),
          by,
          STARTED,
        ),
      startedHealth(undefined),
    );
    expect(`${health.Status} ${health.FailingStreak}`).toBe(expected);
  });

  it('keeps five probes, over a start too', () => {
    let health = startedHealth(undefined);
    for (let index = 0; index < 7; index++) health = afterProbe(health, probe(index, index), check, STARTED);
    expect(health.Log.map(({ ExitCode }) => ExitCode)).toEqual([2, 3, 4, 5, 6]);
    expect(startedHealth(health)).toEqual({ Status: 'starting', FailingStreak: 0, Log: health.Log });
  });
});

describe('the next probe', () => {
  const health = (Status: Health['Status'], ...Log: Probe[]): Health => ({ Status, FailingStreak: 0, Log });
  it.each<[string, Health, Healthcheck, number]>([
    ['first', health('starting'), check, 10],
    ['after the end of the last', health('healthy', probe(10, 0)), check, 21],
    ['those of a run before do not count', health('starting', probe(-100, 0)), check, 10],
    ['more often in the start period', health('starting'), slow, 2],
    ['as long as that lasts', health('starting', probe(28, 1)), slow, 31],
    ['but not after it', health('starting', probe(29, 1)), slow, 40],
    ['nor when it is healthy already', health('healthy', probe(2, 0)), slow, 13],
    ['every 30 s by default', health('healthy', probe(10, 0)), {}, 41],
    ['every 5 s in the start period by default', health('starting'), { StartPeriod: 60 * SECOND }, 5],
  ])('%s', (_, now, by, seconds) => {
    expect(nextProbe(now, by, STARTED, Date.parse(at(50)))).toBe(Date.parse(at(seconds)));
  });

  it('when the clock was set back: one interval from now', () => {
    const now = Date.parse(at(-3600));
    expect(nextProbe(health('healthy', probe(10, 0)), check, STARTED, now)).toBe(now + 10_000);
  });
});
