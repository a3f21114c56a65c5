/** `gantry system prune`, `image prune` and `container prune`: removes what nothing uses, after asking. */
import type { Command } from 'commander';
import { parseFilters } from '../../engine/filters.js';
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
}

const SURE = 'Are you sure you want to continue?';

export const pruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove unused data'), 'Remove all unused images not just dangling ones').action(
    async (given: PruneFlags) => {
      if (!(given.force || (await confirm(session, systemWarning(given))))) return;
      const store = await openSessionStore(session);
      const containers = await pruneContainers(session, store, given);
      reclaimed(session, containers + (await pruneImages(session, store, given)));
    },
  );

export const imagePruneCommand = (session: Session): Command =>
  flags(command('prune', 'Remove unused images'), 'Remove all unused images, not just dangling ones').action(
    async (given: PruneFlags) => {
      const question = `WARNING! This will remove ${imagesOf(given)}.\n${SURE}`;
      if (!(given.force || (await confirm(session, question)))) return;
      reclaimed(session, await pruneImages(session, await openSessionStore(session), given));
    },
  );

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

const imagesOf = ({ all }: PruneFlags): string =>
  all ? 'all images without at least one container associated to them' : 'all dangling images';

function systemWarning(given: PruneFlags): string {
  const { filter } = given;
  const filtered =
    filter === undefined ? '' : `\n  Items to be pruned will be filtered with:\n${list(filter)}`;
  return `WARNING! This will remove:\n${list([
    'all stopped containers',
    imagesOf(given),
    'all layers and partial downloads that interrupted pulls left',
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
  if (removed.ids.length > 0) session.out(`Deleted Containers:\n${removed.ids.join('\n')}\n\n`);
  return removed.reclaimed;
}

/** Returns the bytes that they took. */
async function pruneImages(session: Session, store: Store, given: PruneFlags): Promise<number> {
  const engine = await import('../../engine/prune.js');
  const { containerUses } = await import('../../engine/container-use.js');
  const held = await store.lock('exclusive', { signal: session.signal });
  try {
    const images = await engine.pruneImages(store, {
      all: given.all === true,
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
