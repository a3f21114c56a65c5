/**
 * `--restart no | on-failure[:n] | always | unless-stopped`, and Docker's pauses before a restart: 100 ms, doubled each
 * time up to a minute, from the start again after a run of ten seconds.
 */
import type { ContainerRecord } from './container-record.js';
import { statusOf } from './container-state.js';
import type { HostConfig } from './create-request.js';
import { invalid } from './flags/invalid.js';

const FIRST_MS = 100;
const LONGEST_MS = 60_000;
const LONG_RUN_MS = 10_000;

export type RestartPolicy = NonNullable<HostConfig['RestartPolicy']>;

/** Throws ERR_INVALID_ARGUMENT in Docker's words. */
export function parseRestartPolicy(text: string): RestartPolicy {
  const [Name = '', count, ...more] = text.split(':');
  if (!['no', 'on-failure', 'always', 'unless-stopped', ''].includes(Name)) {
    throw invalid(
      `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (more.length > 0)
    throw invalid('invalid restart policy format: restart policy requires one colon at most');
  if (count !== undefined && !/^\d+$/.test(count)) {
    throw invalid('invalid restart policy format: maximum retry count must be an integer');
  }
  if (count !== undefined && Name !== 'on-failure') {
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  return { Name: Name || 'no', MaximumRetryCount: Number(count ?? 0) };
}

/** Whether an ended container is to be started again. Never one that a user stopped. */
export function wantsRestart(record: ContainerRecord, hostConfig: HostConfig): boolean {
  const { Name, MaximumRetryCount } = hostConfig.RestartPolicy ?? { Name: 'no', MaximumRetryCount: 0 };
  if (statusOf(record.State) !== 'exited' || record.HasBeenManuallyStopped) return false;
  if (Name === 'always' || Name === 'unless-stopped') return true;
  const more = MaximumRetryCount === 0 || record.RestartCount < MaximumRetryCount;
  return Name === 'on-failure' && record.State.ExitCode !== 0 && more;
}

/** Whether dockerd would start it when the machine comes up: what ran then, and `always` also what a user had stopped. */
export const startsAtBoot = (record: ContainerRecord, hostConfig: HostConfig): boolean =>
  hostConfig.RestartPolicy?.Name === 'always'
    ? statusOf(record.State) === 'exited'
    : wantsRestart(record, hostConfig);

/** Milliseconds to wait before it. */
export function restartDelay(record: ContainerRecord): number {
  const { StartedAt, FinishedAt } = record.State;
  const ran = Date.parse(FinishedAt) - Date.parse(StartedAt);
  return record.RestartDelay === undefined || ran >= LONG_RUN_MS ? FIRST_MS : nextDelay(record);
}

/** The same after an attempt that came to nothing: how long the last run was does not count again. */
export const nextDelay = ({ RestartDelay = FIRST_MS / 2 }: ContainerRecord): number =>
  Math.min(LONGEST_MS, RestartDelay * 2);
