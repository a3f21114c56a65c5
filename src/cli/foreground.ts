/** The process's own streams and terminal, as a container in the foreground gets them. */
import { realpathSync } from 'node:fs';
import type { ForegroundOptions } from '../engine/run.js';
import type { Session } from './session.js';

export function foreground(session: Session): ForegroundOptions {
  const { stdin, stdout, stderr, env, execPath, argv } = process;
  return {
    stdin,
    stdout,
    stderr,
    gantry: [execPath, realpathSync(argv[1]!)],
    ...(stdout.isTTY
      ? {
          terminalSize: () => ({ rows: stdout.rows, columns: stdout.columns }),
          onResize: (changed: () => void) => {
            stdout.on('resize', changed);
            return () => stdout.off('resize', changed);
          },
        }
      : {}),
    ...(env.GANTRY_RUNTIME ? { runtime: env.GANTRY_RUNTIME } : {}),
    ...(env.PATH ? { searchPath: env.PATH } : {}),
    onWarning: (text) => session.err(`WARNING: ${text}\n`),
  };
}

/** An error before the command ran is 126, 127 or `otherwise`; Ctrl-C stays what it is. */
export async function withStartExitCode(
  session: Session,
  act: () => Promise<number>,
  otherwise = 125,
): Promise<void> {
  const { GantryError, isGantryError } = await import('../core/errors.js');
  const { startExitCode } = await import('../runtime/runtime-error.js');
  try {
    session.exitCode = await act();
  } catch (error) {
    if (isGantryError(error, 'ERR_CANCELED')) throw error;
    // On a terminal Ctrl-C ends the runtime too, which then has no reason to give.
    if (session.signal.aborted) throw new GantryError('ERR_CANCELED', 'canceled', {}, { cause: error });
    const { code, message, details, cause } = isGantryError(error)
      ? error
      : new GantryError('ERR_INTERNAL', (error as Error).message, {}, { cause: error });
    const known = startExitCode(error);
    const exitCode = known === 125 ? otherwise : known;
    throw new GantryError(code, message, { ...details, exitCode }, { cause });
  }
}
