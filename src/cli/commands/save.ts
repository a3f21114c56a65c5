/** `gantry save [-o FILE|DIR] [--format docker|oci] [--compression FORMAT[:LEVEL]] IMAGE...`: to stdout by default. */
import { statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type Command, Option } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

interface SaveFlags {
  readonly output?: string;
  readonly format: 'docker' | 'oci';
  readonly compression: string;
  readonly quiet?: boolean;
}

const STDOUT = 1;

export const saveCommand = (session: Session): Command =>
  command(
    'save',
    'Save one or more images to a tar archive (streamed to STDOUT by default)',
    '[OPTIONS] IMAGE [IMAGE...]',
  )
    .argument('<IMAGE...>')
    .option('-o, --output <string>', 'Write to a file, or to a directory that is there or ends in /')
    .addOption(
      new Option('--format <string>', 'docker: what docker load reads, with an OCI index; oci: an OCI layout')
        .choices(['docker', 'oci'])
        .default('docker'),
    )
    .option('-q, --quiet', 'Suppress the progress bars')
    .option('--compression <string>', 'none, gzip[:LEVEL], zstd[:LEVEL] or lz4', 'none')
    .action(async (names: string[], flags: SaveFlags) => {
      const { parseCompression } = await import('../../core/compress/compression-spec.js');
      const compression = parseCompression(flags.compression, ['none', 'gzip', 'zstd', 'lz4']);
      const target = targetOf(flags.output);
      const { save } = await import('../../engine/save.js');
      const { format, quiet } = flags;
      const { layerProgress } = await import('../progress/layers.js');
      // stdout may be the archive.
      const progress = layerProgress(process.stderr, 'Saving layer', quiet);
      try {
        await save(await openSessionStore(session), names, {
          ...{ format, compression, target },
          signal: session.signal,
          onLayer: ({ id, bytes, total, done }) => {
            if (done) progress.ended(id, total);
            else progress.working(id, bytes, total);
          },
        });
      } finally {
        progress.stop();
      }
    });

function targetOf(output: string | undefined) {
  if (output !== undefined) {
    const directory = output.endsWith('/') || statSync(output, { throwIfNoEntry: false })?.isDirectory();
    return { kind: directory ? 'directory' : 'file', path: output } as const;
  }
  if (isatty(STDOUT)) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      'cowardly refusing to save to a terminal. Use the -o flag or redirect',
    );
  }
  return { kind: 'descriptor', fd: STDOUT } as const;
}
