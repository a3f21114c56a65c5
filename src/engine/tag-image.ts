/** `docker tag`: one more name for an image. */
import { GantryError } from '../core/errors.js';
import { familiarString, parseReference, type Reference, withDefaultTag } from '../registry/reference.js';
import { recordImageEvent } from './events.js';
import { resolveImage } from './image-index.js';
import type { Store } from './store.js';

/** Throws ERR_INVALID_REFERENCE for a target that is no name or holds a digest, ERR_NOT_FOUND for the source. */
export async function tagImage(store: Store, source: string, target: string): Promise<void> {
  const reference = familiarString(withDefaultTag(parseTarget(target)));
  const held = await store.lock('shared');
  try {
    const imageID = resolveImage(store, source);
    await store.tags.update({ set: [{ reference, imageID }] });
    store.images.setLastUpdated(imageID, new Date());
    recordImageEvent(store, 'tag', imageID, reference);
  } finally {
    held.release();
  }
}

/** ERR_INVALID_REFERENCE for what is no name, or holds a digest. */
export function parseTarget(target: string): Reference {
  let reference: Reference;
  try {
    reference = parseReference(target);
  } catch (cause) {
    throw new GantryError(
      'ERR_INVALID_REFERENCE',
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag`,
      {},
      { cause },
    );
  }
  if (reference.digest !== undefined) {
    throw new GantryError('ERR_INVALID_REFERENCE', 'refusing to create a tag with a digest reference');
  }
  return reference;
}
