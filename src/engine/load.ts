/**
 * `load`: images of an archive into the store. Layers go through the same pass as a pull's, all at the same time, from
 * their places in the archive: each is verified against its diffID before it is published, and images get their names
 * when all of the archive is in.
 */
import { join } from 'node:path';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import {
  algorithmOf,
  chainIDsOf,
  type Digest,
  hexOf,
  type ImageID,
  imageIDOf,
} from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { type ArchiveImage, readArchiveImages } from '../registry/archive-images.js';
import { parsePlatform } from '../registry/platform.js';
import { familiarString, parseReference, withDefaultTag } from '../registry/reference.js';
import { distrustUnusable, settleDurability } from './durability.js';
import { recordImageEvent } from './events.js';
import { checkSpace } from './free-space.js';
import { LayerFetcher } from './layer-fetcher.js';
import { type ArchiveSource, openArchive } from './open-archive.js';
import { Pool } from './pool.js';
import { defaultThreads } from './pull.js';
import type { PullEvent } from './pull-events.js';
import type { TargetLayer } from './pull-target.js';
import type { Store } from './store.js';

export interface LoadOptions {
  /** os/arch[/variant] of an index in the archive; default this machine's. */
  readonly platform?: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PullEvent) => void;
  /** Takes some of the images, and says under which familiar names; default all, under their own. */
  readonly select?: (images: readonly ArchiveImage[]) => readonly SelectedImage[];
}

export interface SelectedImage {
  readonly image: ArchiveImage;
  /** Familiar references with tags. */
  readonly names: readonly string[];
}

export interface LoadedImage {
  readonly imageID: ImageID;
  readonly names: readonly string[];
  /** Names that were another image's before. */
  readonly replaced: readonly { readonly name: string; readonly imageID: ImageID }[];
}

/**
 * Throws ERR_NOT_FOUND and ERR_INVALID_ARGUMENT for the archive, ERR_DIGEST_MISMATCH, ERR_SIZE_MISMATCH, ERR_MANIFEST_*,
 * ERR_LAYER_*, ERR_INVALID_REFERENCE, ERR_NO_PLATFORM, ERR_NO_SPACE, ERR_CANCELED; then no image of it is in the store.
 */
export async function load(
  store: Store,
  source: ArchiveSource,
  options: LoadOptions,
): Promise<LoadedImage[]> {
  const { signal, onEvent, select = underOwnNames } = options;
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const lock = await store.lock('shared', { signal });
  const threads = defaultThreads();
  let open: Pool | undefined;
  const pool = (): Pool => {
    open ??= new Pool('layer', threads);
    return open;
  };
  try {
    await settleDurability(store);
    await store.layers.sweep();
    const hash = await chooseHashBackend('auto', join(store.root, 'gantry', 'hash.json'));
    const { archive, close } = await openArchive(store, source, signal);
    const fetcher = new LayerFetcher({ store, pool, threads, hash, onEvent });
    try {
      const selected = select(readArchiveImages(archive, platform));
      const targets = selected.map(({ image }) => layersOf(image, archive.path));
      for (const layers of targets) {
        const chain = layers.map(({ chainID }) => chainID);
        await distrustUnusable(store, chain);
      }
      checkFits(store, targets.flat());
      await all(targets.map((layers) => fetcher.bring(layers, signal)));
      const loaded: LoadedImage[] = [];
      for (const one of selected) loaded.push(await publish(store, one));
      return loaded;
    } finally {
      fetcher.close();
      await close();
    }
  } catch (error) {
    throw signal.aborted ? new GantryError('ERR_CANCELED', 'load canceled', {}, { cause: error }) : error;
  } finally {
    await open?.close();
    lock.release();
  }
}

/** Throws ERR_NO_SPACE before a byte is unpacked. */
function checkFits(store: Store, layers: readonly TargetLayer[]): void {
  const missing = new Map(layers.map(({ chainID, size }) => [chainID, size]));
  for (const chainID of missing.keys()) {
    if (store.layers.isWhole(chainID) || store.layers.parked(chainID) !== undefined) missing.delete(chainID);
  }
  const bytes = [...missing.values()].reduce((sum, size) => sum + size, 0);
  checkSpace(store.root, { layers: missing.size, bytes, unpacked: bytes, purpose: 'to load' });
}

/** The first error, after all have ended: nothing may still read the archive then. */
async function all(bringing: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(bringing)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** A bare tag names no repository: the image has no name then, as `docker load` has it. */
const underOwnNames = (images: readonly ArchiveImage[]): SelectedImage[] =>
  images.map((image) => ({ image, names: image.names.filter((name) => /[/:]/.test(name)).map(familiar) }));

const familiar = (name: string): string => {
  const { digest: _, ...reference } = parseReference(name);
  return familiarString(withDefaultTag(reference));
};

function layersOf({ imageConfig, layers }: ArchiveImage, what: string): TargetLayer[] {
  const diffIDs = imageConfig.rootfs.diff_ids ?? [];
  const odd = diffIDs.find((diffID) => algorithmOf(diffID) !== 'sha256');
  if (odd !== undefined) {
    throw new GantryError('ERR_UNSUPPORTED', `${what}: expected diffIDs by sha256, found ${odd}`);
  }
  const chain = chainIDsOf(diffIDs);
  return layers.flatMap(({ file, diffID, digest }, index) => {
    const chainID = chain[index];
    if (chainID === undefined) return [];
    return {
      chainID,
      parent: chain[index - 1],
      diffID,
      // What events, locks and messages call it.
      digest: digest ?? (diffID as string as Digest),
      size: file.size,
      compression: undefined,
      source: { file, digest },
    };
  });
}

/** Config, then names: whatever can be seen is whole. */
async function publish(store: Store, { image, names }: SelectedImage): Promise<LoadedImage> {
  const imageID = imageIDOf(image.config);
  const lock = await store.lockNamed('images', hexOf(imageID));
  try {
    store.images.put(image.config);
    const { replaced } = await store.tags.update({ set: names.map((reference) => ({ reference, imageID })) });
    store.images.setLastUpdated(imageID, new Date());
    recordImageEvent(store, 'load', imageID, names[0] ?? imageID);
    return {
      imageID,
      names,
      replaced: replaced.map((entry) => ({ name: entry.reference, imageID: entry.imageID })),
    };
  } finally {
    lock.release();
  }
}
