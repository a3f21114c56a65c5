/**
 * `docker rmi`, by docker's rules:
 *
 *   - a name is taken away first; its digest names go with the repository's last tag; the image stays while it has another
 *   - an id takes away all names when they are one tag (or none) of one repository
 *   - then the image goes, unless children, containers or other names need it; then its layers that nothing else
 *     stands on, top first; then its nameless parents
 *
 * Invariant: names before image before layers (FORMATS §E3), so a kill leaves at most unreferenced layers for a prune.
 */
import { type ChainID, chainIDsOf, type ImageID, shortID } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { repositoryOf } from '../image/tags.js';
import { familiarString, parseReference, withDefaultTag } from '../registry/reference.js';
import type { ContainerUse } from './container-use.js';
import { recordImageEvent } from './events.js';
import { isIDPrefix, readImages, resolveImage } from './image-index.js';
import { removeUnusedLayers } from './layer-use.js';
import type { Store } from './store.js';

export interface RemoveOptions {
  readonly force?: boolean;
  /** Also nameless parents; default true. */
  readonly prune?: boolean;
  readonly containers: readonly ContainerUse[];
}

export type Removed = { readonly untagged: string } | { readonly deleted: ImageID | ChainID };

/** Removes a name, or an image. The caller holds the store exclusively. Throws ERR_NOT_FOUND, ERR_CONFLICT. */
export async function removeImage(store: Store, text: string, options: RemoveOptions): Promise<Removed[]> {
  const id = resolveImage(store, text);
  const records: Removed[] = [];
  const names = namesOf(store, id);
  const single = isSingleReference(names);
  if (isIDPrefix(id, text)) {
    if (single) {
      const blocker = conflict(store, id, options, { names: false });
      if (blocker !== undefined) throw blocker;
      await untag(store, id, names, records);
    }
    await removeUnnamed(store, id, options, false, records);
    return records;
  }
  const user = options.containers.find((container) => container.image === id);
  if (!options.force && single && user !== undefined) {
    throw new GantryError(
      'ERR_CONFLICT',
      `conflict: unable to remove repository reference ${JSON.stringify(text)} (must force) - container ${shortID(user.id)} is using its referenced image ${shortID(id)}`,
    );
  }
  const reference = familiarName(text, names);
  await untag(store, id, [reference], records);
  const rest = namesOf(store, id);
  const repository = repositoryOf(reference);
  const sameRepository = rest.filter((name) => repositoryOf(name) === repository);
  if (!reference.includes('@') && sameRepository.every((name) => name.includes('@'))) {
    await untag(store, id, sameRepository, records);
  }
  if (namesOf(store, id).length === 0) await removeUnnamed(store, id, options, true, records);
  return records;
}

const namesOf = (store: Store, id: ImageID): string[] => store.tags.of(id).map((entry) => entry.reference);

/** The stored name for what the user wrote (`docker.io/library/redis` is `redis:latest`). */
function familiarName(text: string, names: readonly string[]): string {
  const { tag, ...canonical } = withDefaultTag(parseReference(text));
  const full = familiarString(tag === undefined ? canonical : { ...canonical, tag });
  return names.includes(full) ? full : familiarString(canonical);
}

/** At most one tag, and all names in one repository. */
function isSingleReference(names: readonly string[]): boolean {
  const tags = names.filter((name) => !name.includes('@'));
  return tags.length <= 1 && new Set(names.map(repositoryOf)).size <= 1;
}

async function untag(store: Store, id: ImageID, names: readonly string[], records: Removed[]): Promise<void> {
  if (names.length === 0) return;
  await store.tags.update({ remove: names });
  for (const name of names) recordImageEvent(store, 'untag', id, name);
  records.push(...names.map((name) => ({ untagged: name })));
}

/** Why an image cannot go, or undefined. Running containers and children hold it even by force. */
function conflict(
  store: Store,
  id: ImageID,
  options: RemoveOptions,
  consider: { readonly names: boolean },
): GantryError | undefined {
  const image = readImages(store).images.get(id);
  const because = (why: string, forced: boolean) =>
    new GantryError(
      'ERR_CONFLICT',
      `conflict: unable to delete ${shortID(id)} (${forced ? 'cannot' : 'must'} be forced) - ${why}`,
      { image: id, used: why.includes('container') },
    );
  if ((image?.children.length ?? 0) > 0) return because('image has dependent child images', true);
  const users = options.containers.filter((container) => container.image === id);
  const running = users.find((container) => container.running);
  if (running !== undefined)
    return because(`image is being used by running container ${shortID(running.id)}`, true);
  if (options.force) return undefined;
  if (consider.names && namesOf(store, id).length > 0) {
    return because('image is referenced in multiple repositories', false);
  }
  const stopped = users[0];
  return stopped && because(`image is being used by stopped container ${shortID(stopped.id)}`, false);
}

/** `quiet`: its last name was just taken, or it is a parent; what still needs it is then no error. */
async function removeUnnamed(
  store: Store,
  id: ImageID,
  options: RemoveOptions,
  quiet: boolean,
  records: Removed[],
): Promise<void> {
  const blocker = conflict(store, id, options, { names: true });
  if (blocker !== undefined) {
    if (quiet) return;
    throw blocker;
  }
  await untag(store, id, namesOf(store, id), records);
  const image = store.images.get(id)!;
  store.images.delete(id);
  recordImageEvent(store, 'delete', id, id);
  records.push({ deleted: id });
  const layers = await removeUnusedLayers(store, chainIDsOf(image.config.rootfs.diff_ids ?? []));
  records.push(...layers.map((deleted) => ({ deleted })));
  if (image.parent !== undefined && options.prune !== false && store.images.get(image.parent) !== undefined) {
    await removeUnnamed(store, image.parent, { ...options, force: false }, true, records);
  }
}
