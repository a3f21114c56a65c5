/**
 * Runs a program of the host to its end: its standard streams are files in memory, so nothing waits for a reader, and no
 * socket or stream is made for the few hundred bytes that plugins and iptables exchange.
 */
import { closeSync, writeSync } from 'node:fs';
import { memoryFile, textOf } from '../../core/fsops/memory-file.js';
import { spawnProcess } from '../../core/spawn.js';
import { reap } from '../reap.js';

export interface ProgramOptions {
  readonly env: Readonly<Record<string, string>>;
  /** What it reads. */
  readonly input?: string;
  /** A descriptor that it and what it runs keep open. */
  readonly held?: number;
  /** It is killed after that. */
  readonly timeoutMs?: number;
}

export interface Finished {
  /** 128 + n when signal n ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Begun when this returns. The first word is an absolute path. ERR_SYSCALL when it cannot be executed. */
export async function runProgram(
  argv: readonly [string, ...string[]],
  { env, input = '', held, timeoutMs }: ProgramOptions,
): Promise<Finished> {
  const files = ['stdin', 'stdout', 'stderr'].map(memoryFile);
  const [stdin, stdout, stderr] = files as [number, number, number];
  let timer: NodeJS.Timeout | undefined;
  try {
    writeSync(stdin, input, 0); // at a position: its offset, which the program shares, stays at the beginning
    const stdio = [stdin, stdout, stderr, ...(held === undefined ? [] : [held])];
    const pid = spawnProcess(argv, { stdio, env, cwd: '/' });
    if (timeoutMs !== undefined) timer = setTimeout(() => process.kill(pid, 'SIGKILL'), timeoutMs);
    const status = await reap(pid);
    return { status, stdout: textOf(stdout), stderr: textOf(stderr) };
  } finally {
    clearTimeout(timer);
    for (const fd of files) closeSync(fd);
  }
}
