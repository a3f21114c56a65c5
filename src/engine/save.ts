/**
 * `save`: images of the store as an archive. Layers are rebuilt from tar-split, each checked against its diffID while
 * it is written; one that several images share is written once.
 *
 *   docker, oci --compression none|lz4   documents, then the tars as they are; the tar as a whole is compressed
 *   docker --compression gzip|zstd       the same
 *   oci --compression gzip|zstd          layers compressed one by one, with their media types
 */
import { join } from 'node:path';
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import { type ChainID, chainIDsOf, type Digest, type ImageID } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { LAYER_TYPE, type LayerCompression } from '../core/oci/media-types.js';
import {
  type ArchivedImage,
  type ArchivedLayer,
  blobName,
  dockerDocuments,
  layoutDocuments,
} from '../image/archive-documents.js';
import { tarSizeOf } from '../layer/layer-blob.js';
import { canonicalString, familiarName, parseReference } from '../registry/reference.js';
import { type ArchiveTarget, writeArchive } from './archive-output.js';
import type { ArchiveSink } from './archive-sink.js';
import { recordImageEvent } from './events.js';
import { resolveImage } from './image-index.js';
import { type LayerBlob, makeLayerBlob, writeLayer } from './layer-blob.js';
import { Pool } from './pool.js';
import { defaultThreads } from './pull.js';
import { type SavedLayer, SaveMeter } from './save-meter.js';
import type { Store } from './store.js';

export type ArchiveFormat = 'docker' | 'oci';

export interface SaveOptions {
  readonly format: ArchiveFormat;
  readonly compression: CompressionSpec;
  readonly target: ArchiveTarget;
  /** The familiar name with tag that one image gets in the archive, instead of its own. */
  readonly as?: string;
  readonly signal: AbortSignal;
  /** Is told how far each layer is. */
  readonly onLayer?: (layer: SavedLayer) => void;
}

interface Selected {
  readonly id: ImageID;
  readonly config: Buffer;
  readonly chain: readonly ChainID[];
  readonly tags: Set<string>;
}

/**
 * Throws ERR_NOT_FOUND for an image that is not there, ERR_STORE_CORRUPT for a layer that is not what it was,
 * ERR_NO_SPACE, ERR_SYSCALL, ERR_CANCELED; then nothing is left of the archive, as far as it is a file.
 */
export async function save(store: Store, names: readonly string[], options: SaveOptions): Promise<void> {
  const { format, target, signal } = options;
  const { format: kind, level } = options.compression;
  if (target.kind === 'directory' && (format === 'docker' ? kind !== 'none' : kind === 'lz4')) {
    const expected = format === 'docker' ? 'none' : 'none, gzip or zstd';
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `a directory is not compressed as a whole: expected compression ${expected}, found ${kind}`,
      { hint: format === 'docker' ? 'save to a file, or with --format oci' : 'save to a file' },
    );
  }
  const inner =
    format === 'oci' && (kind === 'gzip' || kind === 'zstd') ? { format: kind, level } : undefined;
  const outer: CompressionSpec = inner === undefined ? options.compression : { format: 'none', level: 0 };
  const lock = await store.lock('shared', { signal });
  try {
    const images = renamed(select(store, names), options.as);
    const pool = new Pool('layer', defaultThreads());
    const meter = new SaveMeter(options.onLayer ?? (() => {}));
    try {
      const hash = await chooseHashBackend('auto', join(store.root, 'gantry', 'hash.json'));
      await writeArchive({ target, compression: outer, signal }, (sink) =>
        inner === undefined
          ? fillPlain({ store, pool, hash, meter, images, sink, docker: format === 'docker' })
          : fillCompressed({ store, pool, hash, meter, images, sink, compression: inner, signal }),
      );
    } finally {
      meter.close();
      await pool.close();
    }
    for (const { id } of images) recordImageEvent(store, 'save', id, id);
  } catch (error) {
    throw signal.aborted ? new GantryError('ERR_CANCELED', 'save canceled', {}, { cause: error }) : error;
  } finally {
    lock.release();
  }
}

/** A name without a tag is all tags of its repository, as docker has it; an id is an image without a name. */
function select(store: Store, names: readonly string[]): Selected[] {
  const selected = new Map<ImageID, Selected>();
  const add = (id: ImageID, tags: readonly string[]): void => {
    const known = selected.get(id) ?? load(store, id);
    selected.set(id, known);
    for (const tag of tags) known.tags.add(tag);
  };
  for (const text of names) {
    const tagged = tagsNamedBy(store, text);
    for (const { reference, imageID } of tagged) add(imageID, [reference]);
    if (tagged.length === 0) add(resolveImage(store, text), []);
  }
  return [...selected.values()];
}

function renamed(images: readonly Selected[], name: string | undefined): readonly Selected[] {
  if (name === undefined) return images;
  if (images.length === 1) return images.map((image) => ({ ...image, tags: new Set([name]) }));
  throw new GantryError('ERR_INVALID_ARGUMENT', `expected one image to call ${name}, found ${images.length}`);
}

function tagsNamedBy(store: Store, text: string) {
  if (/^sha256:/.test(text) || /^[0-9a-f]{64}$/.test(text)) return [];
  const reference = parseReference(text);
  const repository = familiarName(reference);
  return store.tags
    .all()
    .filter((entry) => entry.repository === repository && !entry.reference.includes('@'))
    .filter((entry) => reference.digest === undefined && matches(entry.reference, repository, reference.tag));
}

const matches = (reference: string, repository: string, tag: string | undefined): boolean =>
  tag === undefined || reference === `${repository}:${tag}`;

function load(store: Store, id: ImageID): Selected {
  const image = store.images.get(id);
  if (image === undefined) throw new GantryError('ERR_NOT_FOUND', `No such image: ${id}`);
  const chain = chainIDsOf(image.config.rootfs.diff_ids ?? []);
  for (const chainID of chain.slice(-1)) store.layers.chain(chainID);
  return { id, config: image.bytes, chain, tags: new Set() };
}

interface Filling {
  readonly store: Store;
  readonly pool: Pool;
  readonly hash: HashBackend;
  readonly meter: SaveMeter;
  readonly images: readonly Selected[];
  readonly sink: ArchiveSink;
}

const archived = (
  { id, config, chain, tags }: Selected,
  layers: ReadonlyMap<ChainID, ArchivedLayer>,
): ArchivedImage => ({
  id,
  config,
  names: [...tags]
    .sort()
    .map((familiar) => ({ familiar, canonical: canonicalString(parseReference(familiar)) })),
  layers: chain.map((chainID) => layers.get(chainID) as ArchivedLayer),
});

async function document(sink: ArchiveSink, members: ReturnType<typeof layoutDocuments>): Promise<void> {
  for (const { name, bytes } of members) await sink.document(name, bytes);
}

/** Tars as they are: their digests and sizes are known before a file is read, so all goes out in one pass. */
async function fillPlain({ images, sink, docker, ...how }: Filling & { docker: boolean }): Promise<void> {
  const { store, pool, hash, meter } = how;
  const layers = new Map<ChainID, ArchivedLayer>();
  for (const chainID of new Set(images.flatMap(({ chain }) => chain))) {
    const diffID = store.layers.chain(chainID)[0]!.diffID;
    const size = await tarSizeOf(store.layers.db.tarSplit(chainID));
    layers.set(chainID, { digest: diffID as string as Digest, size, mediaType: LAYER_TYPE.none });
  }
  const whole = images.map((image) => archived(image, layers));
  if (docker) await document(sink, dockerDocuments(whole));
  await document(sink, layoutDocuments(whole));
  const written = new Set<Digest>();
  for (const [chainID, { digest, size }] of layers) {
    if (written.has(digest)) continue;
    written.add(digest);
    await sink.member(blobName(digest), size, (to) =>
      meter.measure(digest, size, (words) => writeLayer(store, pool, chainID, { hash, words, ...to })),
    );
  }
}

/** Layers compressed one by one, all at the same time: what they become is known only then. */
async function fillCompressed({
  images,
  sink,
  compression,
  ...how
}: Filling & { compression: CompressionSpec<LayerCompression>; signal: AbortSignal }): Promise<void> {
  const { store, pool, hash, meter } = how;
  const failure = new AbortController();
  const signal = AbortSignal.any([how.signal, failure.signal]);
  const chainIDs = [...new Set(images.flatMap(({ chain }) => chain))];
  const making = chainIDs.map(async (chainID) => {
    const size = await tarSizeOf(store.layers.db.tarSplit(chainID));
    return meter.measure(store.layers.chain(chainID)[0]!.diffID, size, (words) =>
      makeLayerBlob(store, pool, chainID, { compression, hash, signal, words }),
    );
  });
  for (const blob of making) blob.catch((error) => failure.abort(error));
  const settled = await Promise.allSettled(making);
  const blobs = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  try {
    failure.signal.throwIfAborted();
    const layers = new Map(chainIDs.map((chainID, index) => [chainID, blobs[index] as LayerBlob]));
    await document(sink, layoutDocuments(images.map((image) => archived(image, layers))));
    const written = new Set<Digest>();
    for (const { digest, path, size } of blobs) {
      if (!written.has(digest)) await sink.file(blobName(digest), path, size);
      written.add(digest);
    }
  } finally {
    await Promise.all(blobs.map((blob) => blob.remove()));
  }
}
