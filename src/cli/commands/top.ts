/** `gantry top CONTAINER [ps OPTIONS]`. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

export const topCommand = (session: Session): Command =>
  command('top', 'Display the running processes of a container', 'CONTAINER [ps OPTIONS]')
    .argument('<CONTAINER>')
    .argument('[ps OPTIONS...]')
    .passThroughOptions()
    .action(async (name: string, psArgs: string[]) => {
      const { containerTop } = await import('../../engine/top-container.js');
      const { titles, processes } = await containerTop(await openSessionStore(session), name, psArgs);
      const rows = [titles, ...processes];
      const widths = titles.map((_title, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
      for (const row of rows) {
        session.out(
          `${row
            .map((cell, column) => cell.padEnd(widths[column]! + 4))
            .join('')
            .trimEnd()}\n`,
        );
      }
    });
