/**
 * `gantry copyup profile [OPTIONS] IMAGE [COMMAND] [ARG...]` or `--container CONTAINER`. A run's streams are the
 * container's; its report comes after them, and the exit status is the container's.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { goDuration } from '../../core/duration.js';
import { GantryError } from '../../core/errors.js';
import type { Profiled } from '../../engine/profile-copyups.js';
import { UsageError } from '../command.js';
import { type CreationFlags, creation, creationCommand } from '../creation.js';
import { foreground, withStartExitCode } from '../foreground.js';
import { openSessionStore, type Session } from '../session.js';

interface Flags extends CreationFlags {
  readonly container?: string;
  readonly duration?: number;
  readonly output?: string;
  readonly trace: boolean;
}

const TOP = 20;

export const profileCommand = (session: Session): Command =>
  creationCommand('profile', 'Run a container and show what it copied up, and what that cost', '[IMAGE]')
    .option('--container <container>', 'Profile a running container instead, until Ctrl-C')
    .addOption(
      new Option('--duration <duration>', 'Stop after so long, such as 30s or 5m').argParser(parseDuration),
    )
    .option('-o, --output <file>', 'Write the profile as JSON to this file too')
    .option('--no-trace', 'Look at the upper directory only: no times, causes or processes')
    .action((image: string | undefined, words: string[], flags: Flags) => {
      if (flags.container !== undefined) return profileRunning(session, flags.container, image, flags);
      if (image === undefined) {
        throw new UsageError('"gantry copyup profile" requires an IMAGE or --container CONTAINER.', 1);
      }
      return withStartExitCode(session, () => profileNew(session, image, words, flags));
    });

async function profileNew(session: Session, image: string, words: string[], flags: Flags): Promise<number> {
  const made = await creation(session, image, words, flags);
  const { profileRun } = await import('../../engine/profile-copyups.js');
  const profiled = await profileRun(made.store, made.image, made.request, {
    ...foreground(session),
    ...options(flags),
  });
  await show(session, profiled, flags);
  return profiled.exitCode;
}

async function profileRunning(
  session: Session,
  container: string,
  image: string | undefined,
  flags: Flags,
): Promise<void> {
  if (image !== undefined) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `expected either an image or --container, found ${JSON.stringify(image)} and --container ${container}`,
    );
  }
  const { profileContainer } = await import('../../engine/profile-copyups.js');
  const profiled = await profileContainer(await openSessionStore(session), container, {
    ...options(flags),
    signal: session.signal,
    onWarning: (text) => session.err(`WARNING: ${text}\n`),
    onTracing: () => session.err(`tracing ${container} until its end or Ctrl-C\n`),
  });
  await show(session, profiled, flags);
}

const options = ({ trace, duration }: Flags) => ({
  trace,
  ...(duration === undefined ? {} : { duration }),
});

async function show(session: Session, { profile, path }: Profiled, { output }: Flags): Promise<void> {
  if (output !== undefined) {
    const { writeFileSync } = await import('node:fs');
    const { profileText } = await import('../../engine/profile-files.js');
    writeFileSync(output, profileText(profile));
  }
  const { renderCopyUpReport } = await import('../render/copyup-report.js');
  session.out(renderCopyUpReport(profile, { sort: 'bytes', top: TOP }));
  session.err(`profile: ${path}\n`);
}

function parseDuration(text: string): number {
  const milliseconds = goDuration(text);
  if (!milliseconds) throw new InvalidArgumentError('expected a duration such as 30s or 5m');
  return milliseconds;
}
