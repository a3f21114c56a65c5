/** `gantry import [OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]`. */
import type { Command } from 'commander';
import { command, repeated } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

interface ImportFlags {
  readonly change?: readonly string[];
  readonly message?: string;
  readonly platform?: string;
}

const STDIN = 0;

export const importCommand = (session: Session): Command =>
  command(
    'import',
    'Import the contents from a tarball to create a filesystem image',
    '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  )
    .argument('<file|URL|->')
    .argument('[REPOSITORY[:TAG]]')
    .addOption(repeated('-c, --change <list>', 'Apply Dockerfile instruction to the created image'))
    .option('-m, --message <string>', 'Set commit message for imported image')
    .option('--platform <string>', 'Platform as os/arch[/variant] of the image')
    .action(async (from: string, reference: string | undefined, flags: ImportFlags) => {
      const { importImage } = await import('../../engine/import-image.js');
      const id = await importImage(await openSessionStore(session), {
        source: sourceOf(from),
        ...(reference === undefined ? {} : { reference }),
        ...(flags.message === undefined ? {} : { message: flags.message }),
        changes: flags.change ?? [],
        ...(flags.platform === undefined ? {} : { platform: flags.platform }),
        signal: session.signal,
      });
      session.out(`${id}\n`);
    });

function sourceOf(from: string) {
  if (from === '-') return { kind: 'descriptor', fd: STDIN } as const;
  if (/^https?:\/\//.test(from)) return { kind: 'url', url: from } as const;
  return { kind: 'path', path: from } as const;
}
