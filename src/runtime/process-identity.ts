/**
 * A process by pid, start time and boot: a pid alone is soon another's. The start time is field 22 of
 * /proc/<pid>/stat, in clock ticks since boot; the command in parentheses before it may hold anything.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly Pid: number;
  readonly StartTicks: number;
  readonly BootID: string;
}

export const bootID = (proc = '/proc'): string =>
  readFileSync(`${proc}/sys/kernel/random/boot_id`, 'utf8').trim();

function stat(
  pid: number,
  proc: string,
): { readonly state: string; readonly startTicks: number } | undefined {
  try {
    const text = readFileSync(`${proc}/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, startTicks: Number(fields[19]) };
  } catch {
    return undefined; // ENOENT, or ESRCH when it ends between open and read
  }
}

/** Undefined when there is no such process. */
export function identify(pid: number, proc = '/proc'): ProcessIdentity | undefined {
  const found = stat(pid, proc);
  return found && { Pid: pid, StartTicks: found.startTicks, BootID: bootID(proc) };
}

/** True while that very process runs; a zombie runs no more. */
export function isAlive(identity: ProcessIdentity, proc = '/proc'): boolean {
  const found = stat(identity.Pid, proc);
  return (
    found !== undefined &&
    found.state !== 'Z' &&
    found.state !== 'X' &&
    found.startTicks === identity.StartTicks &&
    bootID(proc) === identity.BootID
  );
}
