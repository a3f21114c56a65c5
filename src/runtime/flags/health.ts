/** `--health-*` and `--no-healthcheck` to the container's Healthcheck, whose times are nanoseconds. */
import { goDuration } from '../../core/duration.js';
import type { Healthcheck } from '../health.js';
import type { RunFlags } from '../run-flags.js';
import { invalid, invalidFlag } from './invalid.js';

const NANOSECONDS_PER_MILLISECOND = 1e6;
const LEAST_MS = 1;

/** Undefined where nothing was asked for (0 asks for nothing): the image's stays. ERR_INVALID_ARGUMENT in docker's words. */
export function healthcheck(flags: RunFlags): Healthcheck | undefined {
  const { healthCmd: command } = flags;
  const retries = count(flags.healthRetries);
  const times = {
    Interval: nanoseconds(flags.healthInterval, 'interval', 'Interval'),
    Timeout: nanoseconds(flags.healthTimeout, 'timeout', 'Timeout'),
    StartPeriod: nanoseconds(flags.healthStartPeriod, 'start-period', 'StartPeriod'),
    StartInterval: nanoseconds(flags.healthStartInterval, 'start-interval', 'StartInterval'),
  };
  const given = Object.entries(times).filter(([, time]) => time !== undefined);
  const asked = Boolean(command) || retries !== undefined || given.length > 0;
  if (flags.healthcheck === false) {
    if (asked) throw invalid('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!asked) return undefined;
  return {
    // Without a command of its own the image's is run.
    ...(command ? { Test: ['CMD-SHELL', command] } : {}),
    ...Object.fromEntries(given),
    ...(retries === undefined ? {} : { Retries: retries }),
  };
}

function nanoseconds(text: string | undefined, flag: string, field: string): number | undefined {
  if (text === undefined || text === '0') return undefined;
  if (text.startsWith('-')) throw invalid(`--health-${flag} cannot be negative`);
  const milliseconds = goDuration(text);
  if (milliseconds === undefined) {
    throw invalidFlag(text, `--health-${flag}`, 'expected a duration such as 30s or 1m30s');
  }
  if (milliseconds > 0 && milliseconds < LEAST_MS) {
    throw invalid(`${field} in Healthcheck cannot be less than ${LEAST_MS}ms`);
  }
  return milliseconds * NANOSECONDS_PER_MILLISECOND || undefined;
}

function count(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-\d+$/.test(text)) throw invalid('--health-retries cannot be negative');
  if (!/^\d+$/.test(text)) throw invalidFlag(text, '--health-retries', 'expected a number');
  return Number(text) || undefined;
}
