/** `gantry cp CONTAINER:SRC_PATH DEST_PATH|-` and `gantry cp SRC_PATH|- CONTAINER:DEST_PATH`. */
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command } from '../command.js';
import { humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';
import { toStdout } from '../tar-output.js';

interface CpFlags {
  readonly archive?: boolean;
  readonly followLink?: boolean;
  readonly quiet?: boolean;
}

export const cpCommand = (session: Session): Command =>
  command(
    'cp',
    'Copy files/folders between a container and the local filesystem',
    '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tgantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  )
    .argument('<SRC>')
    .argument('<DEST>')
    .option('-a, --archive', 'Archive mode (copy all uid/gid information)')
    .option('-L, --follow-link', 'Always follow symbol link in SRC_PATH')
    .option('-q, --quiet', 'Suppress progress output during copy')
    .action((source: string, target: string, flags: CpFlags) => copy(session, source, target, flags));

async function copy(session: Session, source: string, target: string, flags: CpFlags): Promise<void> {
  const from = parsePlace(source);
  const to = parsePlace(target);
  if (from.container !== undefined && to.container !== undefined) {
    throw new GantryError('ERR_UNSUPPORTED', 'copying between containers is not supported');
  }
  const engine = await import('../../engine/copy.js');
  const store = await openSessionStore(session);
  const options = { archive: flags.archive === true, follow: flags.followLink === true };
  let bytes: number;
  if (from.container !== undefined) {
    if (target === '-') return engine.copyToStream(store, from, options, toStdout);
    bytes = await engine.copyFromContainer(store, from, target, options);
  } else if (to.container !== undefined) {
    bytes =
      source === '-'
        ? await engine.copyFromStream(store, process.stdin, to)
        : await engine.copyToContainer(store, source, to, options);
  } else {
    throw new GantryError('ERR_INVALID_ARGUMENT', 'must specify at least one container source');
  }
  // As docker: told where somebody looks, unless -q says otherwise.
  if (flags.quiet ?? !process.stdout.isTTY) return;
  session.err(`Successfully copied ${humanSize(bytes)} to ${target}\n`);
}

/** `name:path`; a path that begins with `/` or `.` is the host's, whatever colons it has. */
function parsePlace(text: string): { container: string; path: string } | { container: undefined } {
  const colon = text.indexOf(':');
  if (colon <= 0 || text.startsWith('/') || text.startsWith('.')) return { container: undefined };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
