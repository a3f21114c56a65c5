/** `gantry container cleanup ID`, hidden: conmon executes it when a detached container has ended. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { detached } from '../detached.js';
import { openSessionStore, type Session } from '../session.js';

export const cleanupCommand = (session: Session): Command =>
  command('cleanup', "Write down a container's end", 'ID')
    .argument('<ID>')
    .action(async (id: string) => {
      const { cleanupContainer } = await import('../../engine/cleanup-container.js');
      await cleanupContainer(await openSessionStore(session), id, detached(session));
    });
