/** `gantry push [OPTIONS] NAME[:TAG]` */
import { type Command, Option } from 'commander';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';
import { threadsOption } from './pull.js';

interface Flags {
  readonly allTags?: boolean;
  readonly compression?: string;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'quiet';
  readonly quiet?: boolean;
  readonly threads?: number;
  readonly hash: 'auto' | 'wasm' | 'native';
}

export const pushCommand = (session: Session): Command =>
  command('push', 'Upload an image to a registry', '[OPTIONS] NAME[:TAG]')
    .argument('<NAME[:TAG]>')
    .option('-a, --all-tags', 'Push all tags of an image to the repository')
    .option(
      '--compression <type>',
      'gzip[:LEVEL], zstd[:LEVEL] or none, also for a layer that is there otherwise packed',
    )
    .addOption(
      new Option('--progress <type>', 'How to show progress; json is one object a line')
        .choices(['auto', 'tty', 'plain', 'json', 'quiet'])
        .default('auto'),
    )
    .option('-q, --quiet', 'Suppress verbose output')
    .addOption(threadsOption('Layers to pack and upload at the same time'))
    .addOption(
      new Option('--hash <type>', 'Hash back-end').choices(['auto', 'wasm', 'native']).default('auto'),
    )
    .action(async (name: string, flags: Flags) => {
      const { parseReference } = await import('../../registry/reference.js');
      const { parseCompression } = await import('../../core/compress/compression-spec.js');
      const { createPushProgress } = await import('../progress/push.js');
      const { push } = await import('../../engine/push.js');
      const reference = parseReference(name);
      const compression =
        flags.compression === undefined
          ? {}
          : { compression: parseCompression(flags.compression, ['gzip', 'zstd', 'none']) };
      const kind = flags.quiet ? 'quiet' : flags.progress;
      if (!flags.allTags && reference.tag === undefined && (kind === 'auto' || kind === 'plain')) {
        session.out('Using default tag: latest\n');
      }
      const progress = await createPushProgress(session, kind);
      try {
        await push(await openSessionStore(session), reference, {
          ...compression,
          ...(flags.threads === undefined ? {} : { threads: flags.threads }),
          allTags: flags.allTags === true,
          hash: flags.hash,
          signal: session.signal,
          onEvent: progress.event,
        });
      } finally {
        progress.stop();
      }
    });
