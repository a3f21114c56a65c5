/** Structure of images: configs against their ids, names against images, and the maps between blobs and layers. */
import { errnoCode, type GantryError, isGantryError } from '../core/errors.js';
import type { TagEntry } from '../image/tags.js';
import type { Problem } from './fsck-problem.js';
import type { Store } from './store.js';

export const configPath = (hex: string): string => `image/overlay2/imagedb/content/sha256/${hex}`;

export function surveyImages(store: Store): Problem[] {
  const problems: Problem[] = [];
  for (const id of store.images.list()) {
    const wrong = errorOf(() => store.images.get(id));
    if (wrong === undefined) continue;
    const [where, what] = [configPath(id.slice('sha256:'.length)), 'image config'];
    const remedy = { kind: 'config', imageID: id } as const;
    problems.push({ where, what, expected: id, found: wrong.message, remedy });
  }
  let tags: TagEntry[] = [];
  const damaged = errorOf(() => {
    tags = store.tags.all();
  });
  if (damaged !== undefined) {
    problems.push({
      where: 'image/overlay2/repositories.json',
      what: 'names',
      expected: "docker's repositories",
      found: damaged.message,
      remedy: { kind: 'command', command: damaged.details.hint ?? '' },
    });
  }
  const ids = new Set(store.images.list());
  for (const { reference, imageID } of tags) {
    if (ids.has(imageID)) continue;
    problems.push({
      where: 'image/overlay2/repositories.json',
      what: reference,
      expected: imageID,
      found: 'no such image',
      remedy: { kind: 'config', imageID },
    });
  }
  for (const path of store.distribution.damaged()) {
    problems.push({
      where: `image/overlay2/distribution/${path}`,
      what: 'distribution map',
      expected: 'digests',
      found: 'something else',
      remedy: { kind: 'remove', path: `image/overlay2/distribution/${path}` },
    });
  }
  return problems;
}

function errorOf(read: () => unknown): GantryError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!isGantryError(error) || errnoCode(error) === 'EACCES') throw error;
    return error;
  }
}
