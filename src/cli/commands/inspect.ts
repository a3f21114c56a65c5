/** `gantry inspect` (of whatever has that name), `container inspect` and `image inspect`: a JSON array of documents, or a template for each. */
import { type Command, Option } from 'commander';
import { isGantryError } from '../../core/errors.js';
import { parseContainerID } from '../../core/ids.js';
import type { Store } from '../../engine/store.js';
import { command, oneOf } from '../command.js';
import { renderObject } from '../render/object.js';
import { openSessionStore, type Session } from '../session.js';

interface InspectFlags {
  readonly format?: string;
  readonly size?: boolean;
  readonly type?: string;
}

const KINDS = ['container', 'image', 'network', 'volume'] as const;
type Kind = (typeof KINDS)[number];

const formatFlag = () => new Option('-f, --format <string>', "'json' or a Go template");

export const inspectCommand = (session: Session): Command =>
  command(
    'inspect',
    'Return low-level information on containers, images, networks and volumes',
    '[OPTIONS] NAME|ID [NAME|ID...]',
  )
    .argument('<NAME|ID...>')
    .addOption(formatFlag())
    .option('-s, --size', 'Display total file sizes if the type is container')
    .option('--type <string>', 'Only inspect objects of the given type')
    .action((names: string[], flags: InspectFlags) => {
      const kinds: readonly Kind[] = flags.type ? [oneOf(flags.type, KINDS, 'type')] : KINDS;
      return inspectAll(session, kinds, names, flags);
    });

export const imageInspectCommand = (session: Session): Command =>
  command('inspect', 'Display detailed information on one or more images', '[OPTIONS] IMAGE [IMAGE...]')
    .argument('<IMAGE...>')
    .addOption(formatFlag())
    .action((names: string[], flags: InspectFlags) => inspectAll(session, ['image'], names, flags));

export const containerInspectCommand = (session: Session): Command =>
  command(
    'inspect',
    'Display detailed information on one or more containers',
    '[OPTIONS] CONTAINER [CONTAINER...]',
  )
    .argument('<CONTAINER...>')
    .addOption(formatFlag())
    .option('-s, --size', 'Display total file sizes')
    .action((names: string[], flags: InspectFlags) => inspectAll(session, ['container'], names, flags));

/** Shows what is found and then tells what is not, as docker does. */
async function inspectAll(
  session: Session,
  kinds: readonly Kind[],
  names: readonly string[],
  flags: InspectFlags,
): Promise<void> {
  const store = await openSessionStore(session);
  const found: unknown[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const document = await inspectOne(store, kinds, name, flags);
    if (document !== undefined) found.push(document);
    else missing.push(kinds.length > 1 ? `No such object: ${name}` : `No such ${kinds[0]}: ${name}`);
  }
  session.out(
    flags.format
      ? found.map((document) => renderObject(document, flags.format!)).join('')
      : `${JSON.stringify(found, null, 4)}\n`,
  );
  for (const message of missing) session.err(`gantry: Error: ${message}\n`);
  if (missing.length > 0) session.exitCode = 1;
}

async function inspectOne(
  store: Store,
  kinds: readonly Kind[],
  name: string,
  flags: InspectFlags,
): Promise<unknown> {
  for (const kind of kinds) {
    try {
      if (kind === 'network' || kind === 'volume') {
        const document = kind === 'network' ? await network(store, name) : await volume(store, name);
        if (document !== undefined) return document;
        continue;
      }
      if (kind === 'image') return (await import('../../engine/inspect-image.js')).inspectImage(store, name);
      // Looked for first by its record alone: what settles a container loads native code, which images need not pay for.
      const { ContainerStore } = await import('../../runtime/container-store.js');
      new ContainerStore(store.root).find(name);
      const { inspectContainer } = await import('../../engine/inspect-container.js');
      const document = await inspectContainer(store, name);
      if (!flags.size) return document;
      const { containerSizes } = await import('../../engine/write-layer-size.js');
      return { ...document, ...containerSizes(store, parseContainerID(document.Id)) };
    } catch (error) {
      if (!isGantryError(error, 'ERR_NOT_FOUND')) throw error;
    }
  }
  return undefined;
}

/** Looked for by its file first, as a container is. */
async function network(store: Store, name: string): Promise<unknown> {
  const { isPredefined, NetworkStore } = await import('../../runtime/network/network-store.js');
  const made = new NetworkStore(store.root).list();
  if (!isPredefined(name) && !made.some(({ Name, Id }) => Name === name || Id.startsWith(name)))
    return undefined;
  return (await import('../../engine/networks.js')).inspectNetwork(store, name);
}

async function volume(store: Store, name: string): Promise<unknown> {
  const { readVolume } = await import('../../runtime/volume-store.js');
  return /^[\w.-]+$/.test(name) ? readVolume(store.root, name) : undefined;
}
