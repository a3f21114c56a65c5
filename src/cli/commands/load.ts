/** `gantry load [-i FILE|DIR] [-q] [--platform OS/ARCH]`: from stdin by default. */
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import type { LayerEvent } from '../../engine/pull-events.js';
import { command } from '../command.js';
import type { LayerProgress } from '../progress/layers.js';
import { openSessionStore, type Session } from '../session.js';

interface LoadFlags {
  readonly input?: string;
  readonly quiet?: boolean;
  readonly platform?: string;
}

const STDIN = 0;

export const loadCommand = (session: Session): Command =>
  command('load', 'Load images from an archive, a layout or STDIN')
    .option('-i, --input <string>', 'Read from a tar archive or a directory, instead of STDIN')
    .option('-q, --quiet', 'Suppress the load output')
    .option('--platform <string>', 'Platform as os/arch[/variant] if an image has several')
    .action(async ({ input, platform, quiet }: LoadFlags) => {
      if (input === undefined && isatty(STDIN)) {
        throw new GantryError('ERR_INVALID_ARGUMENT', 'requested load from stdin, but stdin is empty');
      }
      const { load } = await import('../../engine/load.js');
      const source =
        input === undefined
          ? ({ kind: 'descriptor', fd: STDIN } as const)
          : ({ kind: 'path', path: input } as const);
      const { layerProgress } = await import('../progress/layers.js');
      const progress = layerProgress(process.stdout, 'Loading layer', quiet);
      const loaded = await load(await openSessionStore(session), source, {
        ...(platform === undefined ? {} : { platform }),
        signal: session.signal,
        onEvent: (event) => {
          if (event.event === 'warning') session.err(`warning: ${event.message}\n`);
          else if (event.event === 'layer') showLayer(progress, event);
        },
      }).finally(progress.stop);
      for (const { imageID, names, replaced } of loaded) {
        for (const { name, imageID: old } of replaced) {
          session.out(
            `The image ${name} already exists, renaming the old one with ID ${old} to empty string\n`,
          );
        }
        if (names.length === 0) session.out(`Loaded image ID: ${imageID}\n`);
        for (const name of names) session.out(`Loaded image: ${name}\n`);
      }
    });

function showLayer(progress: LayerProgress, { id, phase, bytesIn, total }: LayerEvent): void {
  if (phase === 'committed') progress.ended(id, total);
  else if (phase === 'exists') progress.ended(id, total, 'Already exists');
  else if (phase === 'failed') progress.ended(id, total, 'Failed');
  else if (phase !== 'waiting') progress.working(id, bytesIn, total);
}
