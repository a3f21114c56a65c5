/** `gantry export [OPTIONS] CONTAINER`. */
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';
import { toFile, toStdout } from '../tar-output.js';

export const exportCommand = (session: Session): Command =>
  command('export', "Export a container's filesystem as a tar archive", '[OPTIONS] CONTAINER')
    .argument('<CONTAINER>')
    .option('-o, --output <string>', 'Write to a file, instead of STDOUT')
    .action(async (container: string, { output }: { readonly output?: string }) => {
      if (output === undefined && process.stdout.isTTY) {
        const message = 'cowardly refusing to save to a terminal. Use the -o flag or redirect';
        throw new GantryError('ERR_INVALID_ARGUMENT', message);
      }
      const { exportContainer } = await import('../../engine/export-container.js');
      const store = await openSessionStore(session);
      if (output === undefined) await exportContainer(store, container, toStdout);
      else await toFile(output, (take) => exportContainer(store, container, take));
    });
