#!/usr/bin/env node
/**
 * The process: output, signals and the exit status. Commands are in program.ts; what they do is the engine's.
 *
 *   exit status   0 done · 1 failed · 125 wrong flags, or `run` failed before the container ran · 130 Ctrl-C
 *                 126, 127, 128+n and the container's own from `run`
 */
import { CommanderError } from 'commander';
import { isGantryError } from '../core/errors.js';
import { UsageError } from './command.js';
import { program } from './program.js';
import { renderError } from './render/error.js';
import { DEFAULT_ROOT, type Session } from './session.js';

const INTERRUPTED = 130;

async function main(): Promise<number> {
  const abort = new AbortController();
  const session: Session = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    signal: abort.signal,
    root: process.env.GANTRY_ROOT || DEFAULT_ROOT,
    debug: false,
    exitCode: 0,
  };
  // The reader went away (`gantry images | head -1`): nothing is left to say, and that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? session.exitCode : 1);
  });
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (abort.signal.aborted) process.exit(INTERRUPTED);
      abort.abort();
    });
  }
  try {
    await program(session).parseAsync(process.argv);
    return session.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof UsageError) {
      session.err(`gantry: ${error.message}\n`);
      return error.exitCode;
    }
    session.err(renderError(error, session.debug));
    if (abort.signal.aborted && isGantryError(error, 'ERR_CANCELED')) return INTERRUPTED;
    const { exitCode } = isGantryError(error) ? error.details : {};
    return typeof exitCode === 'number' ? exitCode : 1;
  }
}

process.exitCode = await main();
