/**
 * One reading of all images with the references that name them, and how a user's word finds one:
 *
 *   redis, redis:7, redis@sha256:…   a reference of repositories.json
 *   sha256:5912…, 591240c5ba24, 59   an image id or an unambiguous prefix of one
 *
 * A damaged image config is listed in `corrupt` and hides no other image.
 */
import { chainIDsOf, type ImageID } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import type { StoredImage } from '../image/imagedb.js';
import { familiarString, parseReference, withDefaultTag } from '../registry/reference.js';
import type { Store } from './store.js';

export interface NamedImage extends StoredImage {
  /** Familiar forms, in order: "redis:latest"; "redis@sha256:…". */
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly children: readonly ImageID[];
}

export interface ImageIndex {
  readonly images: ReadonlyMap<ImageID, NamedImage>;
  readonly corrupt: readonly GantryError[];
}

export function readImages(store: Store): ImageIndex {
  const { images, corrupt } = store.images.all();
  const named = new Map<ImageID, NamedImage & { tags: string[]; digests: string[]; children: ImageID[] }>();
  for (const image of images) named.set(image.id, { ...image, tags: [], digests: [], children: [] });
  for (const { reference, imageID } of store.tags.all()) {
    const image = named.get(imageID);
    (reference.includes('@') ? image?.digests : image?.tags)?.push(reference);
  }
  for (const { id, parent } of images) if (parent !== undefined) named.get(parent)?.children.push(id);
  return { images: named, corrupt };
}

/** Bytes of the files in an image's layers: the sum of their `size` files, nothing is walked. */
export function imageSize(store: Store, image: StoredImage): number {
  const chain = chainIDsOf(image.config.rootfs.diff_ids ?? []);
  return chain.reduce((sum, chainID) => sum + (store.layers.db.get(chainID)?.size ?? 0), 0);
}

export const isDangling = (image: NamedImage): boolean => image.tags.length + image.digests.length === 0;

/** True when `text` names the image by its id and not by a reference. */
export const isIDPrefix = (id: ImageID, text: string): boolean =>
  id.startsWith(text) || id.slice('sha256:'.length).startsWith(text);

/** Throws ERR_NOT_FOUND, and ERR_AMBIGUOUS for a prefix of several ids. */
export function resolveImage(store: Store, text: string): ImageID {
  const notFound = (name: string, cause?: unknown) =>
    new GantryError('ERR_NOT_FOUND', `No such image: ${name}`, { image: text }, { cause });
  const ids = /^(sha256:)?[0-9a-f]{1,64}$/.test(text) ? store.images.list() : [];
  const exact = ids.find((id) => id === text || id === `sha256:${text}`);
  if (exact !== undefined) return exact;
  if (text.startsWith('sha256:')) {
    return unique(ids, text) ?? raise(notFound(text));
  }
  let name: string;
  try {
    name = familiarString(withDefaultTag(parseReference(text)));
  } catch (cause) {
    throw notFound(text, cause);
  }
  const tagged = store.tags.get(name) ?? byDigest(store, text);
  return tagged ?? unique(ids, text) ?? raise(notFound(name));
}

/** `redis:7@sha256:…`: the digest decides, the tag beside it is a comment. */
function byDigest(store: Store, text: string): ImageID | undefined {
  const { tag, digest, ...rest } = parseReference(text);
  return tag !== undefined && digest !== undefined
    ? store.tags.get(familiarString({ ...rest, digest }))
    : undefined;
}

function unique(ids: readonly ImageID[], prefix: string): ImageID | undefined {
  const found = ids.filter((id) => isIDPrefix(id, prefix));
  if (found.length > 1) {
    throw new GantryError('ERR_AMBIGUOUS', `multiple IDs found with provided prefix: ${prefix}`, {
      hint: 'give more digits of the id',
    });
  }
  return found[0];
}

function raise(error: GantryError): never {
  throw error;
}
