/** `gantry copyup warm [OPTIONS] CONTAINER [PATH|GLOB...]`. Exit status 1 when a file could not be copied up. */
import { type Command, InvalidArgumentError } from 'commander';
import { command, UsageError } from '../command.js';
import { humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

interface WarmFlags {
  readonly from?: string;
  readonly jobs?: number;
  readonly format?: string;
}

export const warmCommand = (session: Session): Command =>
  command(
    'warm',
    'Copy files of a container up before it writes to them',
    '[OPTIONS] CONTAINER [PATH|GLOB...]',
  )
    .argument('<CONTAINER>')
    .argument('[PATH...]')
    .option('--from <profile>', "Also the files of a copy-up profile: a container's, or a file")
    .option('-j, --jobs <int>', 'Threads (default: the number of CPUs)', threads)
    .option('-f, --format <string>', "'json' or a Go template")
    .action((container: string, patterns: string[], flags: WarmFlags) =>
      warm(session, container, patterns, flags),
    );

function threads(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number from 1 to 999');
}

async function warm(
  session: Session,
  container: string,
  patterns: string[],
  flags: WarmFlags,
): Promise<void> {
  if (patterns.length === 0 && flags.from === undefined) {
    throw new UsageError('"gantry copyup warm" requires a PATH, a GLOB or --from.', 1);
  }
  const { warmContainer } = await import('../../engine/warm-container.js');
  const { readProfile } = await import('../../engine/copyup-report.js');
  const report = await warmContainer(await openSessionStore(session), container, {
    patterns,
    signal: session.signal,
    ...(flags.from === undefined ? {} : { profile: await readProfile(session.root, flags.from) }),
    ...(flags.jobs === undefined ? {} : { threads: flags.jobs }),
  });
  for (const { path, error } of report.failed) session.err(`${path}: not copied up: ${error}\n`);
  if (report.failed.length > 0) session.exitCode = 1;
  if (flags.format !== undefined) {
    const { renderObject } = await import('../render/object.js');
    session.out(renderObject(report, flags.format));
    return;
  }
  const { copied, present, bytes, durationMs } = report;
  const already = present === 0 ? '' : `, ${present} were copied before`;
  session.out(
    `${copied.length} files, ${humanSize(bytes)} copied up in ${Math.round(durationMs)} ms${already}\n`,
  );
}
