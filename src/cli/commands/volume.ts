/** `gantry volume create|inspect|ls|prune|rm`. */
import { type Command, Option } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command, filterOption, formatOption, group, repeated } from '../command.js';
import { confirm } from '../confirm.js';
import { eachName, inspectEach } from '../each-name.js';
import { renderList } from '../render/list.js';
import { humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

const HEADERS = {
  Name: 'VOLUME NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
  Links: 'LINKS',
  Size: 'SIZE',
};

const engine = () => import('../../engine/volumes.js');

export const volumeCommand = (session: Session): Command =>
  group('volume', 'Manage volumes', [
    createCommand(session),
    inspectCommand(session),
    listCommand(session),
    pruneCommand(session),
    removeCommand(session),
  ]);

const createCommand = (session: Session): Command =>
  command('create', 'Create a volume', '[OPTIONS] [VOLUME]')
    .argument('[VOLUME]')
    .option('-d, --driver <string>', 'Specify volume driver name', 'local')
    .addOption(repeated('--label <list>', 'Set metadata for a volume'))
    .action(async (name: string | undefined, flags: { driver: string; label?: readonly string[] }) => {
      if (flags.driver !== 'local') {
        throw new GantryError(
          'ERR_UNSUPPORTED',
          `create ${name ?? ''}: error looking up volume plugin ${flags.driver}: plugin "${flags.driver}" not found`,
          { hint: 'the one driver is "local"' },
        );
      }
      const { labels } = await import('../../runtime/flags/environment.js');
      const { createVolume } = await engine();
      const options = { labels: labels([], flags.label ?? []), ...(name === undefined ? {} : { name }) };
      session.out(`${await createVolume(await openSessionStore(session), options)}\n`);
    });

const inspectCommand = (session: Session): Command =>
  command('inspect', 'Display detailed information on one or more volumes', '[OPTIONS] VOLUME [VOLUME...]')
    .argument('<VOLUME...>')
    .addOption(new Option('-f, --format <string>', "'json' or a Go template"))
    .action(async (names: string[], flags: { format?: string }) => {
      const { inspectVolume } = await engine();
      const store = await openSessionStore(session);
      await inspectEach(session, names, flags.format, (name) => inspectVolume(store, name));
    });

const listCommand = (session: Session): Command =>
  command('ls', 'List volumes')
    .alias('list')
    .addOption(filterOption('-f, --filter'))
    .addOption(formatOption())
    .option('-q, --quiet', 'Only display volume names')
    .action(async (flags: { filter?: readonly string[]; format?: string; quiet?: boolean }) => {
      const { listVolumes } = await engine();
      const { parseFilters } = await import('../../engine/filters.js');
      const volumes = await listVolumes(await openSessionStore(session), parseFilters(flags.filter ?? []));
      const rows = volumes.map(({ Name, Driver, Scope, Mountpoint, Labels }) => {
        const labels = Object.entries(Labels ?? {}).map(([key, value]) => `${key}=${value}`);
        return { Name, Driver, Scope, Mountpoint, Labels: labels.join(','), Links: 'N/A', Size: 'N/A' };
      });
      const only = flags.quiet ? 'Name' : undefined;
      session.out(
        renderList(rows, { headers: HEADERS, columns: ['Driver', 'Name'], format: flags.format, only }),
      );
    });

const removeCommand = (session: Session): Command =>
  command('rm', 'Remove one or more volumes', '[OPTIONS] VOLUME [VOLUME...]')
    .alias('remove')
    .argument('<VOLUME...>')
    .option('-f, --force', 'Force the removal of one or more volumes')
    .action(async (names: string[], flags: { force?: boolean }) => {
      const { removeUnusedVolume } = await engine();
      const store = await openSessionStore(session);
      const force = flags.force === true;
      await eachName(session, names, (name) => removeUnusedVolume(store, name, { force }));
    });

const pruneCommand = (session: Session): Command =>
  command('prune', 'Remove unused local volumes')
    .option('-a, --all', 'Remove all unused volumes, not just anonymous ones')
    .addOption(filterOption('--filter'))
    .option('-f, --force', 'Do not prompt for confirmation')
    .action(async (flags: { all?: boolean; filter?: readonly string[]; force?: boolean }) => {
      const what = flags.all ? 'all local volumes' : 'anonymous local volumes';
      const question = `WARNING! This will remove ${what} not used by at least one container.\nAre you sure you want to continue?`;
      if (!flags.force && !(await confirm(session, question))) return;
      const { pruneVolumes } = await engine();
      const { parseFilters } = await import('../../engine/filters.js');
      const { names, reclaimed } = await pruneVolumes(await openSessionStore(session), {
        all: flags.all === true,
        filters: parseFilters(flags.filter ?? []),
      });
      if (names.length > 0) session.out(`Deleted Volumes:\n${names.join('\n')}\n\n`);
      session.out(`Total reclaimed space: ${humanSize(reclaimed)}\n`);
    });
