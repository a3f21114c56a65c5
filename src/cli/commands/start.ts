/**
 * `gantry start [OPTIONS] CONTAINER [CONTAINER...]`: containers again, over what they wrote. With `-a` or `-i` one, whose
 * output is ours then, and its exit status, until it ends or the detach keys are typed.
 */
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command, filterOption, UsageError } from '../command.js';
import { detached } from '../detached.js';
import { eachName } from '../each-name.js';
import { foreground, withStartExitCode } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

interface StartFlags {
  readonly all?: boolean;
  readonly filter?: readonly string[];
  readonly attach?: boolean;
  readonly interactive?: boolean;
  readonly detachKeys?: string;
}

export const startCommand = (session: Session): Command =>
  command('start', 'Start one or more stopped containers', '[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('[CONTAINER...]')
    .option('--all', 'Start all that do not run')
    .option('-a, --attach', 'Attach STDOUT/STDERR and forward signals')
    .addOption(filterOption('--filter'))
    .option('--detach-keys <string>', 'Override the key sequence for detaching a container')
    .option('-i, --interactive', "Attach container's STDIN (when it was made with -i)")
    .action((names: string[], flags: StartFlags) =>
      flags.attach || flags.interactive
        ? startAttached(session, names, flags)
        : startEach(session, names, flags),
    );

async function startEach(session: Session, given: readonly string[], flags: StartFlags): Promise<void> {
  const everyone = flags.all === true || flags.filter !== undefined;
  if (everyone && given.length > 0) throw new UsageError('either name containers or give --all, --filter', 1);
  if (!everyone && given.length === 0)
    throw new UsageError('"gantry start" requires at least 1 argument.', 1);
  const { startDetached } = await import('../../engine/start-detached.js');
  const { stoppedContainers } = await import('../../engine/container-filters.js');
  const { parseFilters } = await import('../../engine/filters.js');
  const store = await openSessionStore(session);
  const names = everyone ? await stoppedContainers(store, parseFilters(flags.filter ?? [])) : given;
  await eachName(session, names, (name) => startDetached(store, name, detached(session)).then(() => name));
}

function startAttached(
  session: Session,
  [name, ...more]: readonly string[],
  flags: StartFlags,
): Promise<void> {
  return withStartExitCode(
    session,
    async () => {
      if (name === undefined) throw new UsageError('"gantry start" requires at least 1 argument.', 1);
      if (more.length > 0) {
        throw new GantryError(
          'ERR_INVALID_ARGUMENT',
          'you cannot start and attach multiple containers at once',
        );
      }
      const { startAttached } = await import('../../engine/start-attached.js');
      const code = await startAttached(await openSessionStore(session), name, {
        ...foreground(session),
        ...detached(session),
        noStdin: !flags.interactive,
        ...(flags.detachKeys === undefined ? {} : { detachKeys: flags.detachKeys }),
      });
      if (code === undefined) session.err('read escape sequence\n');
      return code ?? 0;
    },
    1,
  );
}
