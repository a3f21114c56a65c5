/** `gantry system prune` and `gantry image prune`: removes what nothing uses, after asking. */
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { type Filters, parseFilters } from '../../engine/filters.js';
import type { Removed } from '../../engine/remove-image.js';
import type { Store } from '../../engine/store.js';
import { command, filterOption } from '../command.js';
import { confirm } from '../confirm.js';
import { humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

interface PruneFlags {
  readonly all?: boolean;
  readonly force?: boolean;
  readonly filter?: readonly string[];
  readonly volumes?: boolean;
}

export const pruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove unused data'), 'Remove all unused images not just dangling ones')
    .option('--volumes', 'Prune anonymous volumes')
    .action(async (given: PruneFlags) => {
      if (given.volumes && given.filter?.some((text) => text.startsWith('until='))) {
        throw new GantryError('ERR_INVALID_ARGUMENT', 'The "until" filter is not supported with "--volumes"');
      }
      if (given.force || (await confirm(session, systemWarning(given)))) await prune(session, given, true);
    });

export const imagePruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove unused images'), 'Remove all unused images, not just dangling ones').action(
    async (given: PruneFlags) => {
      const what = given.all
        ? 'all images without at least one container associated to them'
        : 'all dangling images';
      const question = `WARNING! This will remove ${what}.\nAre you sure you want to continue?`;
      if (given.force || (await confirm(session, question))) await prune(session, given, false);
    },
  );

const flags = (made: Command, all: string): Command =>
  made
    .option('-a, --all', all)
    .addOption(filterOption('--filter'))
    .option('-f, --force', 'Do not prompt for confirmation');

function systemWarning({ all, filter, volumes }: PruneFlags): string {
  const images = all ? 'all images without at least one container associated to them' : 'all dangling images';
  const filtered =
    filter === undefined ? '' : `\n  Items to be pruned will be filtered with:\n${list(filter)}`;
  return `WARNING! This will remove:\n${list([
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    images,
    'all layers and partial downloads that interrupted pulls left',
  ])}${filtered}\nAre you sure you want to continue?`;
}

/** `docker system prune` writes these in lower case, `docker rmi` with a capital. */
const prunedLine = (removed: Removed): string =>
  'untagged' in removed ? `untagged: ${removed.untagged}\n` : `deleted: ${removed.deleted}\n`;

const list = (items: readonly string[]): string => items.map((item) => `  - ${item}\n`).join('');

/** Containers, networks and, when asked, volumes: what a container holds is free once it is gone. Bytes reclaimed. */
async function pruneBesideImages(
  session: Session,
  store: Store,
  given: PruneFlags,
  filters: Filters,
  now: number,
): Promise<number> {
  const { pruneContainers } = await import('../../engine/prune-containers.js');
  const { pruneNetworks } = await import('../../engine/prune-networks.js');
  const { pruneVolumes } = await import('../../engine/volumes.js');
  const tell = (what: string, names: readonly string[]): void => {
    if (names.length > 0) session.out(`Deleted ${what}:\n${names.join('\n')}\n\n`);
  };
  const containers = await pruneContainers(store, filters, now);
  tell('Containers', containers.ids);
  tell('Networks', await pruneNetworks(store, filters, now));
  if (!given.volumes) return containers.reclaimed;
  const volumes = await pruneVolumes(store, { all: false, filters });
  tell('Volumes', volumes.names);
  return containers.reclaimed + volumes.reclaimed;
}

async function prune(session: Session, given: PruneFlags, system: boolean): Promise<void> {
  const { pruneImages } = await import('../../engine/prune.js');
  const { containerUses } = await import('../../engine/container-use.js');
  const store = await openSessionStore(session);
  const filters = parseFilters(given.filter ?? []);
  const now = Date.now();
  const reclaimed = system ? await pruneBesideImages(session, store, given, filters, now) : 0;
  const held = await store.lock('exclusive', { signal: session.signal });
  try {
    const images = await pruneImages(store, {
      all: given.all === true,
      filters,
      containers: await containerUses(store),
      now,
    });
    if (images.removed.length > 0)
      session.out(`Deleted Images:\n${images.removed.map(prunedLine).join('')}\n`);
    session.out(`Total reclaimed space: ${humanSize(reclaimed + images.reclaimed)}\n`);
  } finally {
    held.release();
  }
}
