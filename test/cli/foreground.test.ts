import { expect, it } from 'vitest';
import { withStartExitCode } from '../../src/cli/foreground.js';
import type { Session } from '../../src/cli/session.js';
import { GantryError } from '../../src/core/errors.js';

const session = (signal: AbortSignal): Session => ({
  out: () => {},
  err: () => {},
  signal,
  root: '/nowhere',
  debug: false,
  exitCode: 0,
});
const fails = (error: Error) => () => Promise.reject<number>(error);

it.each([
  [new GantryError('ERR_COMMAND_NOT_FOUND', 'x'), 'ERR_COMMAND_NOT_FOUND', 127],
  [new GantryError('ERR_RUNTIME', 'x'), 'ERR_RUNTIME', 125],
  [new Error('x'), 'ERR_INTERNAL', 125],
])('%s gets the exit code of docker', async (error, code, exitCode) => {
  const running = withStartExitCode(session(new AbortController().signal), fails(error));
  await expect(running).rejects.toMatchObject({ code, details: { exitCode } });
});

it('a start that was interrupted is canceled, whatever the runtime says of it', async () => {
  const error = new GantryError('ERR_RUNTIME', 'OCI runtime create failed: no reason given');
  const running = withStartExitCode(session(AbortSignal.abort()), fails(error));
  await expect(running).rejects.toMatchObject({ code: 'ERR_CANCELED', cause: error });
});
