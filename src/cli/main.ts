/**
 * One command line from arguments to exit status.
 *
 *   0 done · 1 failed · 125 wrong flags, or `run` failed before the container ran · 130 Ctrl-C
 *   126, 127, 128+n and the container's own: from `run`
 */
import { CommanderError } from 'commander';
import { isGantryError } from '../core/errors.js';
import { UsageError } from './command.js';
import { program } from './program.js';
import { renderError } from './render/error.js';
import type { Session } from './session.js';

export const INTERRUPTED = 130;

/** `args` are those after the program's name. Errors are shown, never thrown. */
export async function main(session: Session, args: readonly string[]): Promise<number> {
  try {
    await program(session, args).parseAsync(args, { from: 'user' });
    return session.exitCode;
  } catch (error) {
    // What commander printed itself: --help and --version.
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof UsageError) {
      session.err(`gantry: ${error.message}\n`);
      return error.exitCode;
    }
    session.err(renderError(error, session.debug));
    if (session.signal.aborted && isGantryError(error, 'ERR_CANCELED')) return INTERRUPTED;
    const { exitCode } = isGantryError(error) ? error.details : {};
    return typeof exitCode === 'number' ? exitCode : 1;
  }
}
