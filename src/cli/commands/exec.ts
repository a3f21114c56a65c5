/** `gantry exec [OPTIONS] CONTAINER COMMAND [ARG...]`. The exit status is the command's, or 126 and 127 when it did not run. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command, repeated } from '../command.js';
import { withStartExitCode } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

interface ExecFlags {
  readonly detach?: boolean;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly interactive?: boolean;
  readonly privileged?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly workdir?: string;
}

export const execCommand = (session: Session): Command =>
  command('exec', 'Execute a command in a running container', '[OPTIONS] CONTAINER COMMAND [ARG...]')
    .argument('<CONTAINER>')
    .argument('<COMMAND...>')
    .passThroughOptions()
    .option('-d, --detach', 'Detached mode: run command in the background')
    .addOption(repeated('-e, --env <list>', 'Set environment variables'))
    .addOption(repeated('--env-file <list>', 'Read in a file of environment variables'))
    .option('-i, --interactive', 'Keep STDIN open even if not attached')
    .option('--privileged', 'Give extended privileges to the command')
    .option('-t, --tty', 'Allocate a pseudo-TTY')
    .option('-u, --user <string>', 'Username or UID (format: "<name|uid>[:<group|gid>]")')
    .option('-w, --workdir <string>', 'Working directory inside the container')
    .action((name: string, words: [string, ...string[]], flags: ExecFlags) =>
      withStartExitCode(session, () => exec(session, name, words, flags), 1),
    );

async function exec(
  session: Session,
  name: string,
  words: readonly [string, ...string[]],
  flags: ExecFlags,
): Promise<number> {
  if (flags.tty && !flags.detach && !process.stdin.isTTY) {
    throw new GantryError('ERR_INVALID_ARGUMENT', 'the input device is not a TTY', {
      hint: 'leave out -t when stdin is not a terminal',
    });
  }
  const { execInContainer } = await import('../../engine/exec-container.js');
  const { environment } = await import('../../runtime/flags/environment.js');
  const files = (flags.envFile ?? []).map((path) => readFileSync(path, 'utf8'));
  const tty = flags.tty === true && !flags.detach;
  return execInContainer(await openSessionStore(session), name, {
    command: words,
    env: environment(files, flags.env ?? [], process.env),
    tty,
    privileged: flags.privileged === true,
    detach: flags.detach === true,
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.workdir === undefined ? {} : { workdir: flags.workdir }),
    stdio: flags.detach ? ['ignore', 'ignore', 'ignore'] : [flags.interactive || tty ? 0 : 'ignore', 1, 2],
  });
}
