/** `gantry commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]`. */
import type { Command } from 'commander';
import { command, repeated } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

interface CommitFlags {
  readonly author: string;
  readonly change?: string[];
  readonly message: string;
  readonly pause: boolean;
  readonly consume?: boolean;
}

export const commitCommand = (session: Session): Command =>
  command('commit', "Create a new image from a container's changes", '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]')
    .argument('<CONTAINER>')
    .argument('[REPOSITORY[:TAG]]')
    .option('-a, --author <string>', 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', '')
    .addOption(repeated('-c, --change <list>', 'Apply Dockerfile instruction to the created image'))
    .option('--consume', "Give the stopped container up: its files become the image's without a copy")
    .option('-m, --message <string>', 'Commit message', '')
    .option('-p, --pause', 'Pause container during commit', true)
    .action(async (container: string, reference: string | undefined, flags: CommitFlags) => {
      const { commitContainer } = await import('../../engine/commit-container.js');
      const id = await commitContainer(await openSessionStore(session), container, {
        ...(reference === undefined ? {} : { reference }),
        author: flags.author,
        message: flags.message,
        changes: flags.change ?? [],
        pause: flags.pause,
        consume: flags.consume === true,
        signal: session.signal,
      });
      session.out(`${id}\n`);
    });
