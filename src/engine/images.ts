/** `gantry images`: which images a listing holds, by docker's rules. */
import type { GantryError } from '../core/errors.js';
import { type Filters, isTrue, knownFilters, labelMatches } from './filters.js';
import { imageSize, isDangling, type NamedImage, readImages, resolveImage } from './image-index.js';
import { matchesReference } from './reference-pattern.js';
import type { Store } from './store.js';

export interface ListImagesOptions {
  /** Also the nameless images that others were built on. */
  readonly all?: boolean;
  readonly filters?: Filters;
  /** REPOSITORY[:TAG], or a pattern of one. */
  readonly reference?: string;
}

export interface ImageSummary extends NamedImage {
  readonly size: number;
}

export interface ImageList {
  /** Newest first. Of an image's references only those that match a reference filter are there. */
  readonly images: readonly ImageSummary[];
  readonly corrupt: readonly GantryError[];
}

const createdAt = (image: NamedImage): number => Date.parse(image.config.created ?? '') || 0;

/** Throws ERR_INVALID_ARGUMENT for a filter that is not known, ERR_NOT_FOUND for `before` and `since`. */
export function listImages(store: Store, options: ListImagesOptions = {}): ImageList {
  const filters: Filters = options.filters ?? new Map();
  knownFilters(filters, ['dangling', 'label', 'before', 'since', 'reference']);
  const index = readImages(store);
  const at = (name: string) => createdAt(index.images.get(resolveImage(store, name))!);
  const before = filters.get('before')?.map(at) ?? [];
  const since = filters.get('since')?.map(at) ?? [];
  const dangling = isTrue(filters, 'dangling');
  const patterns = [...(filters.get('reference') ?? []), ...(options.reference ? [options.reference] : [])];
  const labels = filters.get('label') ?? [];

  const images = [...index.images.values()].flatMap((found) => {
    const image = patterns.length > 0 ? withMatching(found, patterns) : found;
    const nameless = isDangling(found);
    if (patterns.length > 0 && isDangling(image)) return [];
    if (nameless && (dangling === false || (found.children.length > 0 && !options.all))) return [];
    if (dangling === true && (found.tags.length > 0 || found.children.length > 0)) return [];
    if (!before.every((limit) => createdAt(image) < limit)) return [];
    if (!since.every((limit) => createdAt(image) > limit)) return [];
    if (!labels.every((label) => labelMatches(image.config.config?.Labels, label))) return [];
    return [{ ...image, size: imageSize(store, image) }];
  });
  return { images: images.sort((a, b) => createdAt(b) - createdAt(a)), corrupt: index.corrupt };
}

function withMatching(image: NamedImage, patterns: readonly string[]): NamedImage {
  const matching = (references: readonly string[]) =>
    references.filter((reference) => patterns.some((pattern) => matchesReference(pattern, reference)));
  return { ...image, tags: matching(image.tags), digests: matching(image.digests) };
}
