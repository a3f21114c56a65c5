/**
 * `gantry start CONTAINER`: runs a container again over what it wrote. In the foreground, as `docker start -a`: its
 * parent is this process.
 */
import type { Command } from 'commander';
import { command } from '../command.js';
import { foreground, withStartExitCode } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

export const startCommand = (session: Session): Command =>
  command('start', 'Start a stopped container in the foreground', '[OPTIONS] CONTAINER')
    .argument('<CONTAINER>')
    .option('-a, --attach', 'Attach STDOUT/STDERR and forward signals (always so)')
    .option('-i, --interactive', "Attach container's STDIN (when it was made with -i)")
    .action((name: string) =>
      withStartExitCode(session, async () => {
        const { startContainer } = await import('../../engine/run.js');
        return startContainer(await openSessionStore(session), name, foreground(session));
      }),
    );
