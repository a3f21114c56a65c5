/**
 * `gantry start [OPTIONS] CONTAINER [CONTAINER...]`: containers again, over what they wrote. With `-a` or `-i` one, in the
 * foreground: its parent is this process then, and its exit status ours.
 */
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command } from '../command.js';
import { detached } from '../detached.js';
import { eachName } from '../each-name.js';
import { foreground, withStartExitCode } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

interface StartFlags {
  readonly attach?: boolean;
  readonly interactive?: boolean;
}

export const startCommand = (session: Session): Command =>
  command('start', 'Start one or more stopped containers', '[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<CONTAINER...>')
    .option('-a, --attach', 'Attach STDOUT/STDERR and forward signals')
    .option('-i, --interactive', "Attach container's STDIN (when it was made with -i)")
    .action((names: string[], flags: StartFlags) =>
      flags.attach || flags.interactive ? startAttached(session, names) : startAll(session, names),
    );

async function startAll(session: Session, names: readonly string[]): Promise<void> {
  const { startDetached } = await import('../../engine/start-detached.js');
  const store = await openSessionStore(session);
  await eachName(session, names, (name) => startDetached(store, name, detached(session)).then(() => name));
}

function startAttached(session: Session, [name, ...more]: readonly string[]): Promise<void> {
  return withStartExitCode(session, async () => {
    if (more.length > 0) {
      throw new GantryError(
        'ERR_INVALID_ARGUMENT',
        'you cannot start and attach multiple containers at once',
      );
    }
    const { startContainer } = await import('../../engine/run.js');
    return startContainer(await openSessionStore(session), name!, foreground(session));
  });
}
