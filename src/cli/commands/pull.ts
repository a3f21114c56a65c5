/**
 * `gantry pull [OPTIONS] NAME[:TAG|@DIGEST]...`: several references share their layers and one scheduler. Also
 * `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]` and `docker-archive:FILE[:NAME]`.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { GantryError } from '../../core/errors.js';
import type { ArchiveReference } from '../../registry/archive-reference.js';
import type { Reference } from '../../registry/reference.js';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

export interface PullFlags {
  readonly platform?: string;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'quiet';
  readonly quiet?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly threads?: number;
  readonly hash: 'auto' | 'wasm' | 'native';
}

export const pullCommand = (session: Session): Command =>
  command(
    'pull',
    'Download images from a registry, or take them from oci:DIR[:NAME], oci-archive: or docker-archive:FILE[:NAME]',
    '[OPTIONS] NAME[:TAG|@DIGEST] [NAME[:TAG|@DIGEST]...]',
  )
    .argument('<NAME[:TAG|@DIGEST]...>')
    .option('--platform <string>', 'Platform as os/arch[/variant] if the image has several')
    .addOption(
      new Option('--progress <type>', 'How to show progress; json is one object a line')
        .choices(['auto', 'tty', 'plain', 'json', 'quiet'])
        .default('auto'),
    )
    .option('-q, --quiet', 'Suppress verbose output')
    .option('--dry-run', 'Show what would be fetched and reused, and change nothing')
    .option('--json', 'With --dry-run: as JSON')
    .addOption(threadsOption('Layers to fetch and unpack at the same time'))
    .addOption(
      new Option('--hash <type>', 'Hash back-end').choices(['auto', 'wasm', 'native']).default('auto'),
    )
    .action((names: string[], flags: PullFlags) => pullAll(session, names, flags));

async function pullAll(session: Session, names: readonly string[], flags: PullFlags): Promise<void> {
  const { parseReference } = await import('../../registry/reference.js');
  const { parseArchiveReference } = await import('../../registry/archive-reference.js');
  const archives = names.flatMap((name) => parseArchiveReference(name) ?? []);
  const references = names.filter((name) => parseArchiveReference(name) === undefined).map(parseReference);
  if (flags.dryRun) {
    if (archives.length > 0) throw new GantryError('ERR_INVALID_ARGUMENT', '--dry-run is for registries');
    await showPlan(session, references, flags);
    return;
  }
  if (flags.json) {
    throw new GantryError('ERR_INVALID_ARGUMENT', '--json goes with --dry-run', {
      hint: 'for a pull: --progress json',
    });
  }
  for (const archive of archives) await pullOne(session, archive, flags);
  if (references.length === 0) return;
  const { pull } = await import('../../engine/pull.js');
  const { createProgress } = await import('../progress/create.js');
  const progress = await createProgress(session, flags.quiet ? 'quiet' : flags.progress);
  for (const reference of references) progress.announce(reference);
  try {
    await pull(await openSessionStore(session), references, {
      ...pullOptions(session, flags),
      onEvent: progress.event,
    });
  } finally {
    progress.stop();
  }
}

/** From a layout or an archive. */
async function pullOne(session: Session, archive: ArchiveReference, { platform }: PullFlags): Promise<void> {
  const { pullArchive } = await import('../../engine/pull-archive.js');
  const { names } = await pullArchive(await openSessionStore(session), archive, {
    ...(platform === undefined ? {} : { platform }),
    signal: session.signal,
    onEvent: (event) => {
      if (event.event === 'warning') session.err(`warning: ${event.message}\n`);
    },
  });
  for (const name of names) session.out(`${name}\n`);
}

export const pullOptions = (session: Session, flags: Pick<PullFlags, 'platform' | 'threads' | 'hash'>) => ({
  ...(flags.platform === undefined ? {} : { platform: flags.platform }),
  ...(flags.threads === undefined ? {} : { threads: flags.threads }),
  hash: flags.hash,
  signal: session.signal,
});

async function showPlan(session: Session, references: readonly Reference[], flags: PullFlags): Promise<void> {
  const { planPull } = await import('../../engine/pull.js');
  const { renderPlan } = await import('../render/plan.js');
  const plans = await planPull(await openSessionStore(session), [...references], pullOptions(session, flags));
  session.out(flags.json ? `${JSON.stringify(plans)}\n` : plans.map(renderPlan).join('\n'));
}

export const threadsOption = (description: string): Option =>
  new Option('-j, --threads <n>', description).argParser(count);

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number above 0');
}
