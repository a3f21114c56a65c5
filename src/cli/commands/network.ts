/** `gantry network connect|create|disconnect|inspect|ls|prune|rm`. */
import { type Command, Option } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command, filterOption, formatOption, group, repeated } from '../command.js';
import { confirm } from '../confirm.js';
import { eachName, inspectEach } from '../each-name.js';
import { renderList } from '../render/list.js';
import { openSessionStore, type Session } from '../session.js';

const HEADERS = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
};

interface CreateFlags {
  readonly driver: string;
  readonly gateway?: string;
  readonly internal?: boolean;
  readonly label?: readonly string[];
  readonly subnet?: string;
}

interface ListFlags {
  readonly filter?: readonly string[];
  readonly format?: string;
  readonly trunc: boolean;
  readonly quiet?: boolean;
}

const engine = () => import('../../engine/networks.js');

export const networkCommand = (session: Session): Command =>
  group('network', 'Manage networks', [
    connectCommand(session),
    createCommand(session),
    disconnectCommand(session),
    inspectCommand(session),
    listCommand(session),
    pruneCommand(session),
    removeCommand(session),
  ]);

const connectCommand = (session: Session): Command =>
  command('connect', 'Connect a container to a network', '[OPTIONS] NETWORK CONTAINER')
    .argument('<NETWORK>')
    .argument('<CONTAINER>')
    .addOption(repeated('--alias <list>', 'Add network-scoped alias for the container'))
    .option('--ip <string>', 'IPv4 address (e.g., "172.30.100.104")')
    .action(async (network: string, container: string, flags: { alias?: string[]; ip?: string }) => {
      const { endpointSettings } = await import('../../runtime/flags/network.js');
      const { connectNetwork } = await import('../../engine/connect-network.js');
      const settings = endpointSettings(flags);
      await connectNetwork(await openSessionStore(session), network, container, settings);
    });

const disconnectCommand = (session: Session): Command =>
  command('disconnect', 'Disconnect a container from a network', '[OPTIONS] NETWORK CONTAINER')
    .argument('<NETWORK>')
    .argument('<CONTAINER>')
    .option('-f, --force', 'Do not error if the container is not there or not connected')
    .action(async (network: string, container: string, flags: { force?: boolean }) => {
      const { disconnectNetwork } = await import('../../engine/connect-network.js');
      await disconnectNetwork(await openSessionStore(session), network, container, flags);
    });

const createCommand = (session: Session): Command =>
  command('create', 'Create a network', '[OPTIONS] NETWORK')
    .argument('<NETWORK>')
    .option('-d, --driver <string>', 'Driver to manage the Network', 'bridge')
    .option('--gateway <string>', 'IPv4 Gateway for the network')
    .option('--internal', 'Restrict external access to the network')
    .addOption(repeated('--label <list>', 'Set metadata on a network'))
    .option('--subnet <string>', 'Subnet in CIDR format that represents a network segment')
    .action(async (name: string, { driver, label, ...given }: CreateFlags) => {
      if (driver !== 'bridge') {
        throw new GantryError('ERR_UNSUPPORTED', `could not find plugin ${driver}: plugin not found`, {
          hint: 'the one driver is "bridge"',
        });
      }
      const { labels } = await import('../../runtime/flags/environment.js');
      const { createNetwork } = await engine();
      const options = { name, labels: labels([], label ?? []), ...given };
      session.out(`${await createNetwork(await openSessionStore(session), options)}\n`);
    });

const inspectCommand = (session: Session): Command =>
  command('inspect', 'Display detailed information on one or more networks', '[OPTIONS] NETWORK [NETWORK...]')
    .argument('<NETWORK...>')
    .addOption(new Option('-f, --format <string>', "'json' or a Go template"))
    .action(async (names: string[], flags: { format?: string }) => {
      const { inspectNetwork } = await engine();
      const store = await openSessionStore(session);
      await inspectEach(session, names, flags.format, (name) => inspectNetwork(store, name));
    });

const listCommand = (session: Session): Command =>
  command('ls', 'List networks')
    .alias('list')
    .addOption(filterOption('-f, --filter'))
    .addOption(formatOption())
    .option('--no-trunc', 'Do not truncate the output')
    .option('-q, --quiet', 'Only display network IDs')
    .action(async (flags: ListFlags) => {
      const { listNetworks } = await engine();
      const { parseFilters } = await import('../../engine/filters.js');
      const networks = listNetworks(await openSessionStore(session), parseFilters(flags.filter ?? []));
      const rows = networks.map(({ Name, Id, Driver, network }) => ({
        ID: flags.trunc ? Id.slice(0, 12) : Id,
        Name,
        Driver,
        Scope: 'local',
        IPv6: 'false',
        Internal: String(network?.Internal ?? false),
        Labels: Object.entries(network?.Labels ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
        CreatedAt: network?.Created ?? '',
      }));
      session.out(
        renderList(rows, {
          headers: HEADERS,
          columns: ['ID', 'Name', 'Driver', 'Scope'],
          format: flags.format,
          only: flags.quiet ? 'ID' : undefined,
        }),
      );
    });

const removeCommand = (session: Session): Command =>
  command('rm', 'Remove one or more networks', 'NETWORK [NETWORK...]')
    .alias('remove')
    .argument('<NETWORK...>')
    .option('-f, --force', 'Do not error if the network does not exist')
    .action(async (names: string[], flags: { force?: boolean }) => {
      const { removeNetwork } = await engine();
      const store = await openSessionStore(session);
      const force = flags.force === true;
      const remove = (name: string) => removeNetwork(store, name, { force });
      await eachName(session, names, remove, (name, removed) => (removed ? name : undefined));
    });

const pruneCommand = (session: Session): Command =>
  command('prune', 'Remove all unused networks')
    .addOption(filterOption('--filter'))
    .option('-f, --force', 'Do not prompt for confirmation')
    .action(async (flags: { filter?: readonly string[]; force?: boolean }) => {
      const question =
        'WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?';
      if (!flags.force && !(await confirm(session, question))) return;
      const { pruneNetworks } = await import('../../engine/prune-networks.js');
      const { parseFilters } = await import('../../engine/filters.js');
      const filters = parseFilters(flags.filter ?? []);
      const names = await pruneNetworks(await openSessionStore(session), filters, Date.now());
      if (names.length > 0) session.out(`Deleted Networks:\n${names.join('\n')}\n\n`);
    });
