import { describe, expect, it } from 'vitest';
import {
  type ContainerState,
  CREATED,
  type Move,
  NEVER,
  type Status,
  statusOf,
  transition,
} from '../../src/runtime/container-state.js';

const at = '2024-05-01T10:00:00.000Z';
const identity = { Pid: 42, StartTicks: 7, BootID: 'b' };
const moves: Readonly<Record<Move['to'], Move>> = {
  start: { to: 'start', at, process: identity, supervisor: { ...identity, Pid: 41 } },
  restart: { to: 'restart', supervisor: identity },
  giveup: { to: 'giveup' },
  failed: { to: 'failed', exitCode: 127, error: 'no such program' },
  pause: { to: 'pause' },
  unpause: { to: 'unpause' },
  exit: { to: 'exit', at, exitCode: 3 },
  remove: { to: 'remove' },
  breakdown: { to: 'breakdown', error: 'busy' },
};
const reached = (...names: Move['to'][]) =>
  names.reduce((state, name) => transition(state, moves[name]), CREATED);
const states: Readonly<Record<Status, ContainerState>> = {
  created: CREATED,
  running: reached('start'),
  paused: reached('start', 'pause'),
  restarting: reached('start', 'exit', 'restart'),
  exited: reached('start', 'exit'),
  removing: reached('remove'),
  dead: reached('remove', 'breakdown'),
};

describe('the state machine', () => {
  const legal: Readonly<Record<Status, Partial<Record<Move['to'], Status>>>> = {
    created: { start: 'running', failed: 'created', remove: 'removing' },
    running: { pause: 'paused', exit: 'exited' },
    paused: { unpause: 'running', exit: 'exited' },
    restarting: { start: 'running', failed: 'exited', giveup: 'exited' },
    exited: { start: 'running', restart: 'restarting', failed: 'exited', remove: 'removing' },
    removing: { remove: 'removing', breakdown: 'dead' },
    dead: { remove: 'removing' },
  };
  for (const from of Object.keys(states) as Status[]) {
    for (const move of Object.keys(moves) as Move['to'][]) {
      const to = legal[from][move];
      it(`${from} ── ${move} ──► ${to ?? 'refused'}`, () => {
        expect(statusOf(states[from])).toBe(from);
        if (to === undefined) {
          expect(() => transition(states[from], moves[move])).toThrow(`that is ${from}`);
        } else expect(statusOf(transition(states[from], moves[move]))).toBe(to);
      });
    }
  }

  it('writes what docker inspect shows', () => {
    expect(states.running).toMatchObject({
      Running: true,
      Pid: 42,
      StartedAt: at,
      FinishedAt: NEVER,
      Process: identity,
    });
    const exited = states.exited;
    expect(exited).toMatchObject({ Running: false, Pid: 0, ExitCode: 3, FinishedAt: at });
    expect(exited.Process).toBeUndefined();
    expect(reached('failed')).toMatchObject({ ExitCode: 127, Error: 'no such program', StartedAt: NEVER });
    expect(reached('failed', 'start')).toMatchObject({ ExitCode: 0, Error: '' });
  });
});
