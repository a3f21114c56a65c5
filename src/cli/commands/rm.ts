/** `gantry rm [OPTIONS] CONTAINER [CONTAINER...]`. One container's failure does not stop the others. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { renderError } from '../render/error.js';
import { openSessionStore, type Session } from '../session.js';

interface RmFlags {
  readonly force?: boolean;
  readonly volumes?: boolean;
}

export const rmCommand = (session: Session): Command =>
  command('rm', 'Remove one or more containers', '[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<CONTAINER...>')
    .option('-f, --force', 'Force the removal of a running container (uses SIGKILL)')
    .option('-v, --volumes', 'Remove anonymous volumes associated with the container')
    .action(async (names: string[], flags: RmFlags) => {
      const { removeContainer } = await import('../../engine/containers.js');
      const store = await openSessionStore(session);
      for (const name of names) {
        try {
          await removeContainer(store, name, {
            force: flags.force === true,
            volumes: flags.volumes === true,
          });
          session.out(`${name}\n`);
        } catch (error) {
          session.err(renderError(error, session.debug));
          session.exitCode = 1;
        }
      }
    });
