/** `pull` from a layout or an archive: the same path as `load`, for one image. */
import { basename } from 'node:path';
import { GantryError } from '../core/errors.js';
import type { ArchiveImage } from '../registry/archive-images.js';
import type { ArchiveReference } from '../registry/archive-reference.js';
import { familiarString, parseReference, withDefaultTag } from '../registry/reference.js';
import { type LoadedImage, type LoadOptions, load, type SelectedImage } from './load.js';
import type { Store } from './store.js';

/** As `load`, of one image. ERR_NOT_FOUND and ERR_AMBIGUOUS name what is in the archive. */
export async function pullArchive(
  store: Store,
  { path, name }: ArchiveReference,
  options: Omit<LoadOptions, 'select'>,
): Promise<LoadedImage> {
  const select = (images: readonly ArchiveImage[]): SelectedImage[] => {
    const found = images.filter(
      (image) => name === undefined || image.names.some((own) => isNamed(own, name)),
    );
    const [image] = found;
    if (image !== undefined && found.length === 1) return [{ image, names: namesOf(image, path, name) }];
    const there = images.flatMap(({ names }) => names).join(', ') || 'images without names';
    const wanted = name === undefined ? 'one image' : `one image ${name}`;
    throw new GantryError(
      image === undefined ? 'ERR_NOT_FOUND' : 'ERR_AMBIGUOUS',
      `${path}: expected ${wanted}, found ${there}`,
      name === undefined ? { hint: 'say which: PATH:NAME, or take all: gantry load' } : {},
    );
  };
  const [loaded] = await load(store, { kind: 'path', path }, { ...options, select });
  return loaded!;
}

/** `name` as a user writes it: the same reference, or the tag alone. */
function isNamed(own: string, name: string): boolean {
  if (own === name) return true;
  if (!/[/:]/.test(name) && own.endsWith(`:${name}`)) return true;
  return /[/:]/.test(own) && normal(own) === tryNormal(name);
}

const normal = (text: string): string => familiarString(withDefaultTag(parseReference(text)));

function tryNormal(text: string): string | undefined {
  try {
    return normal(text);
  } catch {
    return undefined;
  }
}

function namesOf(image: ArchiveImage, path: string, name: string | undefined): string[] {
  const full = image.names.filter((own) => /[/:]/.test(own) && (name === undefined || isNamed(own, name)));
  if (full.length > 0) return full.map(normal);
  const tag = name ?? image.names[0] ?? 'latest';
  const repository = basename(path)
    .replace(/(\.oci|\.docker)?\.tar(\.\w+)?$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return [normal(/[/:]/.test(tag) ? tag : `${repository || 'image'}:${tag}`)];
}
