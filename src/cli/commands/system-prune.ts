/** `gantry system prune`, `image prune` and `container prune`: removes what nothing uses, after asking. */
import { type Command, Option } from 'commander';
import { GantryError } from '../../core/errors.js';
import { parseFilters } from '../../engine/filters.js';
import type { Removed } from '../../engine/remove-image.js';
import type { Store } from '../../engine/store.js';
import { parseSize } from '../../runtime/flags/size.js';
import { command, filterOption } from '../command.js';
import { confirm } from '../confirm.js';
import { bytesSize, humanSize } from '../render/units.js';
import { openSessionStore, type Session } from '../session.js';

interface PruneFlags {
  readonly all?: boolean;
  readonly force?: boolean;
  readonly filter?: readonly string[];
  readonly volumes?: boolean;
  /** Bytes. */
  readonly keepStorage?: number;
}

const SURE = 'Are you sure you want to continue?';

export const pruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove unused data'), 'Remove all unused images not just dangling ones')
    .option('--volumes', 'Prune anonymous volumes')
    .action(async (given: PruneFlags) => {
      if (given.volumes && given.filter?.some((text) => text.startsWith('until='))) {
        throw new GantryError('ERR_INVALID_ARGUMENT', 'The "until" filter is not supported with "--volumes"');
      }
      if (!(given.force || (await confirm(session, systemWarning(given))))) return;
      const store = await openSessionStore(session);
      // What a container holds is free once it is gone.
      const containers = await pruneContainers(session, store, given);
      const beside = await pruneNetworksAndVolumes(session, store, given);
      if (given.filter === undefined) await pruneProfiles(session, store);
      reclaimed(session, containers + beside + (await pruneImages(session, store, given)));
    });

export const imagePruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove unused images'), 'Remove all unused images, not just dangling ones')
    .addOption(
      new Option(
        '--keep-storage <bytes>',
        'Remove the least recently used of all unused images until layers take at most so much',
      ).argParser(parseSize),
    )
    .action(async (given: PruneFlags) => {
      const question = `WARNING! This will remove ${imagesOf(given)}.\n${SURE}`;
      if (!(given.force || (await confirm(session, question)))) return;
      reclaimed(session, await pruneImages(session, await openSessionStore(session), given));
    });

export const containerPruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove all stopped containers')).action(async (given: PruneFlags) => {
    const question = `WARNING! This will remove all stopped containers.\n${SURE}`;
    if (!(given.force || (await confirm(session, question)))) return;
    reclaimed(session, await pruneContainers(session, await openSessionStore(session), given));
  });

/** `all` describes that flag, where the command has it. */
const flags = (made: Command, all?: string): Command =>
  (all === undefined ? made : made.option('-a, --all', all))
    .addOption(filterOption('--filter'))
    .option('-f, --force', 'Do not prompt for confirmation');

const imagesOf = ({ all, keepStorage }: PruneFlags): string =>
  keepStorage !== undefined
    ? `the least recently used images without a container until layers take at most ${bytesSize(keepStorage)}`
    : all
      ? 'all images without at least one container associated to them'
      : 'all dangling images';

function systemWarning(given: PruneFlags): string {
  const { filter, volumes } = given;
  const filtered =
    filter === undefined ? '' : `\n  Items to be pruned will be filtered with:\n${list(filter)}`;
  return `WARNING! This will remove:\n${list([
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    imagesOf(given),
    'all layers and partial downloads that interrupted pulls left',
    ...(filter === undefined ? ['all copy-up profiles of containers that are gone'] : []),
  ])}${filtered}\n${SURE}`;
}

/** `docker system prune` writes these in lower case, `docker rmi` with a capital. */
const prunedLine = (removed: Removed): string =>
  'untagged' in removed ? `untagged: ${removed.untagged}\n` : `deleted: ${removed.deleted}\n`;

const list = (items: readonly string[]): string => items.map((item) => `  - ${item}\n`).join('');

const reclaimed = (session: Session, bytes: number): void =>
  session.out(`Total reclaimed space: ${humanSize(bytes)}\n`);

/** Returns the bytes that they took. */
async function pruneContainers(session: Session, store: Store, given: PruneFlags): Promise<number> {
  const engine = await import('../../engine/prune-containers.js');
  const removed = await engine.pruneContainers(store, parseFilters(given.filter ?? []), Date.now());
  tell(session, 'Containers', removed.ids);
  return removed.reclaimed;
}

/** Volumes only when asked. Returns the bytes that they took. */
async function pruneNetworksAndVolumes(session: Session, store: Store, given: PruneFlags): Promise<number> {
  const { pruneNetworks } = await import('../../engine/prune-networks.js');
  const { pruneVolumes } = await import('../../engine/volumes.js');
  const filters = parseFilters(given.filter ?? []);
  tell(session, 'Networks', await pruneNetworks(store, filters, Date.now()));
  if (!given.volumes) return 0;
  const volumes = await pruneVolumes(store, { all: false, filters });
  tell(session, 'Volumes', volumes.names);
  return volumes.reclaimed;
}

async function pruneProfiles(session: Session, store: Store): Promise<void> {
  const engine = await import('../../engine/profile-files.js');
  const { listContainers } = await import('../../engine/containers.js');
  const kept = new Set<string>((await listContainers(store)).map(({ ID }) => ID));
  tell(session, 'Profiles', engine.pruneProfiles(store.root, kept));
}

function tell(session: Session, what: string, names: readonly string[]): void {
  if (names.length > 0) session.out(`Deleted ${what}:\n${names.join('\n')}\n\n`);
}

/** Returns the bytes that they took. */
async function pruneImages(session: Session, store: Store, given: PruneFlags): Promise<number> {
  const engine = await import('../../engine/prune.js');
  const { containerUses } = await import('../../engine/container-use.js');
  const held = await store.lock('exclusive', { signal: session.signal });
  try {
    const images = await engine.pruneImages(store, {
      all: given.all === true,
      ...(given.keepStorage === undefined ? {} : { keepStorage: given.keepStorage }),
      filters: parseFilters(given.filter ?? []),
      containers: await containerUses(store),
      now: Date.now(),
    });
    if (images.removed.length > 0)
      session.out(`Deleted Images:\n${images.removed.map(prunedLine).join('')}\n`);
    return images.reclaimed;
  } finally {
    held.release();
  }
}
