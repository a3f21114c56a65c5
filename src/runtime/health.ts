/**
 * Health checks by docker's rules, kept as `State.Health`:
 *
 *   {"Status":"healthy","FailingStreak":0,"Log":[{"Start":"…","End":"…","ExitCode":0,"Output":"PONG\n"}, … 5 at most]}
 *
 *   starting ──passed──► healthy ──failed `Retries` times in a row──► unhealthy ──passed──► healthy
 *      └──failed `Retries` times in a row, not counting what began in the start period──► unhealthy
 *
 * Everything here is a function of the record and the time, the next probe too: who takes over from a killed monitor
 * goes on where that was.
 */
import type { ContainerConfig } from '../core/oci/image-config.js';

export type Healthcheck = NonNullable<ContainerConfig['Healthcheck']>;

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

export interface Probe {
  readonly Start: string;
  readonly End: string;
  /** 0 passed; -1 when the command did not run or did not end in time. */
  readonly ExitCode: number;
  readonly Output: string;
}

export interface Health {
  readonly Status: HealthStatus;
  readonly FailingStreak: number;
  readonly Log: readonly Probe[];
}

const LOG_ENTRIES = 5;
const RETRIES = 3;
const NANOSECONDS_PER_MILLISECOND = 1e6;
const SHELL = ['/bin/sh', '-c'];

/** Milliseconds; what is 0 or not given is docker's default. */
const milliseconds = (nanoseconds: number | undefined, otherwise: number): number =>
  nanoseconds ? nanoseconds / NANOSECONDS_PER_MILLISECOND : otherwise;

export const probeTimeout = ({ Timeout }: Healthcheck): number => milliseconds(Timeout, 30_000);
const interval = ({ Interval }: Healthcheck): number => milliseconds(Interval, 30_000);
const startInterval = ({ StartInterval }: Healthcheck): number => milliseconds(StartInterval, 5000);
const startPeriod = ({ StartPeriod }: Healthcheck): number => milliseconds(StartPeriod, 0);

/** What to execute; undefined for a container that has no check. */
export function probeCommand({
  Healthcheck,
  Shell,
}: ContainerConfig): readonly [string, ...string[]] | undefined {
  const [kind, ...words] = Healthcheck?.Test ?? [];
  const command = kind === 'CMD' ? words : kind === 'CMD-SHELL' ? [...(Shell ?? SHELL), ...words] : [];
  const [first, ...rest] = command;
  return first === undefined ? undefined : [first, ...rest];
}

/** At a start; the log goes on. */
export const startedHealth = (before: Health | undefined): Health => ({
  Status: 'starting',
  FailingStreak: 0,
  Log: before?.Log ?? [],
});

/** `startedAt`: of the container. */
export function afterProbe(health: Health, probe: Probe, check: Healthcheck, startedAt: string): Health {
  const Log = [...health.Log, probe].slice(-LOG_ENTRIES);
  if (probe.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log };
  const forgiven =
    health.Status === 'starting' && Date.parse(probe.Start) - Date.parse(startedAt) < startPeriod(check);
  const FailingStreak = health.FailingStreak + (forgiven ? 0 : 1);
  const failed = !forgiven && FailingStreak >= (check.Retries || RETRIES);
  return { Status: failed ? 'unhealthy' : health.Status, FailingStreak, Log };
}

/** When, in milliseconds since the epoch. A clock that was set back puts it off by one interval, not by the difference. */
export function nextProbe(health: Health, check: Healthcheck, startedAt: string, now: number): number {
  const started = Date.parse(startedAt);
  const last = health.Log.findLast(({ Start }) => Date.parse(Start) >= started);
  const from = Math.min(last === undefined ? started : Date.parse(last.End), now);
  const early = health.Status === 'starting' && from - started < startPeriod(check);
  return from + (early ? startInterval(check) : interval(check));
}
