/** `gantry convert [--compression FORMAT[:LEVEL]] SRC DST`. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

interface ConvertFlags {
  readonly compression: string;
  readonly platform?: string;
}

export const convertCommand = (session: Session): Command =>
  command(
    'convert',
    'Write an image of the store, an archive or a layout as an archive or a layout (oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME])',
    '[OPTIONS] SOURCE TARGET',
  )
    .argument('<SOURCE>')
    .argument('<TARGET>')
    .option('--compression <string>', 'none, gzip[:LEVEL], zstd[:LEVEL] or lz4', 'none')
    .option('--platform <string>', 'Platform as os/arch[/variant] if the source has several')
    .action(async (from: string, to: string, flags: ConvertFlags) => {
      const { parseCompression } = await import('../../core/compress/compression-spec.js');
      const compression = parseCompression(flags.compression, ['none', 'gzip', 'zstd', 'lz4']);
      const { convert } = await import('../../engine/convert.js');
      await convert(await openSessionStore(session), {
        from,
        to,
        compression,
        ...(flags.platform === undefined ? {} : { platform: flags.platform }),
        signal: session.signal,
      });
    });
