/**
 * `convert`: images from one archive or layout to another, or out of the store, in another format or compression. What is
 * read is unpacked and verified in a store of its own that lasts as long as the command, so both ends are those of load
 * and save.
 *
 *   oci-archive:x.tar ─► load ─► <root>/gantry/tmp/<id>/store ─► save ─► oci:dir
 */
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import { GantryError } from '../core/errors.js';
import { newCacheID } from '../core/ids.js';
import { parseArchiveReference } from '../registry/archive-reference.js';
import { familiarString, parseReference, withDefaultTag } from '../registry/reference.js';
import { load } from './load.js';
import { pullArchive } from './pull-archive.js';
import { save } from './save.js';
import { openStore, type Store } from './store.js';

export interface ConvertOptions {
  /** An image of the store, or `oci:`, `oci-archive:`, `docker-archive:` PATH[:NAME]. */
  readonly from: string;
  /** The same without an image of the store. */
  readonly to: string;
  readonly compression: CompressionSpec;
  readonly platform?: string;
  readonly signal: AbortSignal;
}

/** Throws what `load` and `save` throw, ERR_INVALID_ARGUMENT for a target that is none. */
export async function convert(store: Store, options: ConvertOptions): Promise<void> {
  const { from, to, compression, signal } = options;
  const target = parseArchiveReference(to);
  if (target === undefined) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `expected oci:DIR[:NAME], oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME] to convert to, found ${JSON.stringify(to)}`,
      { hint: 'into the store: gantry pull, gantry load' },
    );
  }
  const { transport, path, name } = target;
  const out = {
    format: transport === 'docker-archive' ? 'docker' : 'oci',
    target: { kind: transport === 'oci' ? 'directory' : 'file', path },
    compression,
    signal,
    ...(name === undefined ? {} : { as: nameFor(name, path) }),
  } as const;
  const source = parseArchiveReference(from);
  if (source === undefined) return save(store, [from], out);
  const { makeHeldDirectory } = await import('../core/held-directory.js');
  const scratch = makeHeldDirectory(join(store.root, 'gantry', 'tmp'), newCacheID);
  try {
    const between = openStore(join(scratch.path, 'store'));
    const how = {
      ...(options.platform === undefined ? {} : { platform: options.platform }),
      signal,
      onEvent: () => {},
    };
    const loaded =
      source.name === undefined
        ? await load(between, { kind: 'path', path: source.path }, how)
        : [await pullArchive(between, source, how)];
    const names = loaded.flatMap((image) => (image.names.length === 0 ? [image.imageID] : image.names));
    await save(between, names, out);
  } finally {
    await rm(scratch.path, { recursive: true, force: true });
    scratch.release();
  }
}

/** A bare tag is one of a repository that is called like the directory or file. */
const nameFor = (name: string, path: string): string =>
  familiarString(
    withDefaultTag(parseReference(/[/:]/.test(name) ? name : `${basename(path).split('.')[0]}:${name}`)),
  );
