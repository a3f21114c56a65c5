/**
 * The life of a container, kept under `State` in its config.v2.json.
 *
 * Words
 *   created   made, never ran. A start that failed leaves the word as it was, with ExitCode and Error.
 *   running   its process lives, under the supervisor (the process that will record its end).
 *   paused    running, frozen by its cgroup.
 *   restarting  ended; the supervisor waits to start it again by its restart policy.
 *   exited    ran and ended; the write layer is kept.
 *   removing  being taken away: from here on only away.
 *   dead      a removal failed half way; only removal is left.
 *
 * Legal moves; everything else is ERR_CONFLICT, and nothing is changed by it:
 *
 *   created ──start──► running ──pause──► paused          start also from exited: the write layer is used again
 *      │ ▲ │              │ ◄──unpause──    │             failed: created and exited stay what they are
 *      │ └─failed         └────exit─► exited ◄──exit       remove: from created, exited, dead and removing (a removal
 *      └──────remove──► removing ──gone   │ ▲ │            that was killed is begun again)
 *                          │    ▲──remove─┘ └─failed
 *                          └─breakdown─► dead ──remove──► removing
 *
 *   exited ──restart──► restarting ──start──► running      failed and giveup lead from restarting back to exited
 *
 * Example: create, start{pid 42}, exit{code 3}, start{pid 77}, exit{code 0}, remove.
 */
import { GantryError, unreachable } from '../core/errors.js';
import { type Health, startedHealth } from './health.js';
import type { ProcessIdentity } from './process-identity.js';
import type { ResourceReport } from './resource-report.js';

export type Status = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'removing' | 'dead';

/** Docker's fields; `Process`, `Supervisor`, `Detached` and `Resources` are ours, and Docker passes over them. */
export interface ContainerState {
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly RemovalInProgress: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  readonly StartedAt: string;
  readonly FinishedAt: string;
  readonly Process?: ProcessIdentity;
  readonly Supervisor?: ProcessIdentity;
  /** The supervisor is a shim: the container lives on without it. */
  readonly Detached?: boolean;
  /** Only where there is a health check; of the last run when it does not run. */
  readonly Health?: Health;
  /** Of the last run, once that has ended. */
  readonly Resources?: ResourceReport;
}

export type Move =
  | {
      readonly to: 'start';
      readonly at: string;
      readonly process: ProcessIdentity;
      readonly supervisor: ProcessIdentity;
      readonly detached?: boolean;
      /** It has a health check. */
      readonly healthcheck?: boolean;
    }
  | { readonly to: 'restart'; readonly supervisor: ProcessIdentity }
  | { readonly to: 'giveup' }
  | { readonly to: 'failed'; readonly exitCode: number; readonly error: string }
  | { readonly to: 'pause' }
  | { readonly to: 'unpause' }
  | {
      readonly to: 'exit';
      readonly at: string;
      readonly exitCode: number;
      readonly oomKilled?: boolean;
      readonly error?: string;
      readonly resources?: Omit<ResourceReport, 'RunTime'>;
    }
  | { readonly to: 'remove' }
  | { readonly to: 'breakdown'; readonly error: string };

const NANOSECONDS_PER_MILLISECOND = 1e6;

/** Go's zero time: "never". */
export const NEVER = '0001-01-01T00:00:00Z';

export const CREATED: ContainerState = {
  Running: false,
  Paused: false,
  Restarting: false,
  OOMKilled: false,
  RemovalInProgress: false,
  Dead: false,
  Pid: 0,
  ExitCode: 0,
  Error: '',
  StartedAt: NEVER,
  FinishedAt: NEVER,
};

export function statusOf(state: ContainerState): Status {
  if (state.Dead) return 'dead';
  if (state.RemovalInProgress) return 'removing';
  if (state.Paused) return 'paused';
  if (state.Running) return 'running';
  if (state.Restarting) return 'restarting';
  return state.StartedAt === NEVER ? 'created' : 'exited';
}

const LEGAL: Readonly<Record<Move['to'], readonly Status[]>> = {
  start: ['created', 'exited', 'restarting'],
  failed: ['created', 'exited', 'restarting'],
  restart: ['exited'],
  giveup: ['restarting'],
  pause: ['running'],
  unpause: ['paused'],
  exit: ['running', 'paused'],
  remove: ['created', 'exited', 'dead', 'removing'],
  breakdown: ['removing'],
};

/** The state after a move. Throws ERR_CONFLICT when the move is not legal from here. */
export function transition(state: ContainerState, move: Move): ContainerState {
  const status = statusOf(state);
  if (!LEGAL[move.to].includes(status)) {
    throw new GantryError(
      'ERR_CONFLICT',
      `cannot ${move.to} a container that is ${status}: expected ${LEGAL[move.to].join(' or ')}`,
      { status },
    );
  }
  const { Process: _process, Supervisor: _supervisor, Detached: _detached, ...rest } = state;
  switch (move.to) {
    case 'start': {
      const { Resources: _ofTheLastRun, Health: before, ...fresh } = rest;
      return {
        ...fresh,
        Running: true,
        Restarting: false,
        Pid: move.process.Pid,
        ExitCode: 0,
        Error: '',
        OOMKilled: false,
        StartedAt: move.at,
        Process: move.process,
        Supervisor: move.supervisor,
        ...(move.detached ? { Detached: true } : {}),
        ...(move.healthcheck ? { Health: startedHealth(before) } : {}),
      };
    }
    case 'restart':
      return { ...rest, Restarting: true, Supervisor: move.supervisor };
    case 'giveup':
      return { ...rest, Restarting: false };
    case 'failed':
      return { ...rest, Restarting: false, ExitCode: move.exitCode, Error: move.error };
    case 'pause':
      return { ...state, Paused: true };
    case 'unpause':
      return { ...state, Paused: false };
    case 'exit':
      return {
        ...rest,
        Running: false,
        Paused: false,
        Pid: 0,
        ExitCode: move.exitCode,
        FinishedAt: move.at,
        OOMKilled: move.oomKilled ?? false,
        Error: move.error ?? '',
        // Nobody probes it any more: Docker calls that unhealthy.
        ...(state.Health === undefined ? {} : { Health: { ...state.Health, Status: 'unhealthy' } }),
        ...(move.resources === undefined
          ? {}
          : { Resources: { RunTime: runTime(state, move.at), ...move.resources } }),
      };
    case 'remove':
      return { ...rest, RemovalInProgress: true, Dead: false };
    case 'breakdown':
      return { ...rest, RemovalInProgress: false, Dead: true, Error: move.error };
    default:
      return unreachable(move);
  }
}

const runTime = ({ StartedAt }: ContainerState, end: string): number =>
  Math.max(0, Date.parse(end) - Date.parse(StartedAt)) * NANOSECONDS_PER_MILLISECOND;
