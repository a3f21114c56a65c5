import { expect, it } from 'vitest';
import { healthcheck } from '../../../src/runtime/flags/health.js';
import { withImageDefaults } from '../../../src/runtime/image-defaults.js';
import type { RunFlags } from '../../../src/runtime/run-flags.js';

it.each<[RunFlags, ReturnType<typeof healthcheck>]>([
  [{}, undefined],
  [{ healthcheck: true }, undefined],
  [{ healthcheck: false }, { Test: ['NONE'] }],
  [{ healthCmd: 'redis-cli ping' }, { Test: ['CMD-SHELL', 'redis-cli ping'] }],
  [
    {
      healthCmd: 'true',
      healthInterval: '1m30s',
      healthTimeout: '500ms',
      healthStartPeriod: '1h',
      healthStartInterval: '2s',
      healthRetries: '5',
    },
    {
      Test: ['CMD-SHELL', 'true'],
      Interval: 90e9,
      Timeout: 5e8,
      StartPeriod: 3600e9,
      StartInterval: 2e9,
      Retries: 5,
    },
  ],
  [{ healthInterval: '3s' }, { Interval: 3e9 }],
  [{ healthInterval: '0', healthTimeout: '0s', healthRetries: '0', healthCmd: '' }, undefined],
])('%j', (flags, expected) => {
  expect(healthcheck(flags)).toEqual(expected);
});

it.each<[RunFlags, string]>([
  [{ healthcheck: false, healthCmd: 'x' }, '--no-healthcheck conflicts with --health-* options'],
  [{ healthInterval: '-1s' }, '--health-interval cannot be negative'],
  [{ healthRetries: '-1' }, '--health-retries cannot be negative'],
  [{ healthTimeout: '0.5ms' }, 'Timeout in Healthcheck cannot be less than 1ms'],
  [{ healthStartPeriod: 'soon' }, 'invalid argument "soon" for "--health-start-period" flag'],
  [{ healthRetries: 'x' }, 'invalid argument "x" for "--health-retries" flag'],
])('refuses %j', (flags, message) => {
  expect(() => healthcheck(flags)).toThrow(message);
});

it("goes over the image's, field by field", () => {
  const image = { Healthcheck: { Test: ['CMD', 'ping'], Interval: 5e9, Retries: 9 } };
  const merged = (own: RunFlags) => {
    const check = healthcheck(own);
    return withImageDefaults({ ...(check ? { Healthcheck: check } : {}) }, image).Healthcheck;
  };
  expect(merged({})).toEqual(image.Healthcheck);
  expect(merged({ healthRetries: '1' })).toEqual({ ...image.Healthcheck, Retries: 1 });
  expect(merged({ healthCmd: 'x' })).toEqual({ ...image.Healthcheck, Test: ['CMD-SHELL', 'x'] });
  expect(merged({ healthcheck: false })?.Test).toEqual(['NONE']);
});
