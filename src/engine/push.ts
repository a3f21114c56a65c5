/**
 * The push coordinator: layers at once over the pool, then the config, then the manifest, which makes them an image.
 *
 *   tag → image config → layers, biggest first, each by the cheapest way (push-layer.ts) → config → manifest → record
 *
 * The manifest is the one that the image was pulled by where the blobs are the same; else OCI's, with nothing in it but
 * what the image is: one image pushed twice has one digest. What was pushed is recorded as dockerd does, so that the
 * next push finds it there.
 */

import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type CompressionSpec, parseCompression } from '../core/compress/compression-spec.js';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import {
  type ChainID,
  chainIDsOf,
  type Digest,
  type ImageID,
  parseDigest,
  shortID,
} from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError, isGantryError } from '../core/errors.js';
import type { Descriptor } from '../core/oci/descriptor.js';
import { type LayerCompression, MEDIA_TYPE } from '../core/oci/media-types.js';
import { VERSION } from '../core/version.js';
import type { StoredImage } from '../image/imagedb.js';
import { openPush, type PushTarget, putManifest } from '../registry/push-target.js';
import {
  canonicalString,
  familiarName,
  familiarString,
  name,
  type Reference,
  withDefaultTag,
} from '../registry/reference.js';
import { findBlob, uploadBlob } from '../registry/upload.js';
import { assertUsable } from './durability.js';
import { recordImageEvent } from './events.js';
import { Pool } from './pool.js';
import { defaultThreads } from './pull.js';
import type { PushEvent } from './push-events.js';
import { type ImageLayer, type PushedLayer, pushLayer } from './push-layer.js';
import { keptManifest, manifestOf, pulledManifest } from './push-manifest.js';
import type { Store } from './store.js';
import { WorkQueue } from './work-queue.js';

export interface PushOptions {
  /** Undefined: gzip for what is packed, and any blob that is there already. */
  readonly compression?: CompressionSpec<LayerCompression>;
  /** All tags of the repository, which then is named without one. */
  readonly allTags?: boolean;
  readonly threads?: number;
  readonly hash: 'auto' | HashBackend;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PushEvent) => void;
}

export interface PushResult {
  readonly reference: Reference;
  readonly digest: Digest;
  /** Of the manifest. */
  readonly size: number;
}

const NOTHING = { bytes: 0, total: 0, retries: 0 };
const PACKED: CompressionSpec<LayerCompression> = parseCompression('gzip', ['gzip']);

/**
 * Pushes the tags that are asked for, one repository. Rejects with the first tag's error when one failed, after the
 * others have ended. ERR_NOT_FOUND for a tag that the store does not have; what openPush, pushLayer and putManifest throw.
 */
export async function push(store: Store, asked: Reference, options: PushOptions): Promise<PushResult[]> {
  const { signal, onEvent } = options;
  const threads = options.threads ?? defaultThreads();
  const held = await store.lock('shared', { signal });
  const placed = new Map<ChainID, Promise<PushedLayer>>();
  let target: PushTarget | undefined;
  let pool: Pool | undefined;
  try {
    const references = taggedReferences(store, asked, options.allTags === true);
    const hash = await chooseHashBackend(options.hash, join(store.root, 'gantry', 'hash.json'));
    const opened = await openPush(asked, { userAgent: VERSION }, signal);
    target = opened;
    const queue = new WorkQueue(threads);
    const openPool = (): Pool => {
      pool ??= new Pool('layer', threads);
      return pool;
    };
    const place = (layer: ImageLayer): Promise<PushedLayer> => {
      const known = placed.get(layer.chainID);
      if (known !== undefined) return known;
      const { diffID } = layer;
      onEvent({ event: 'layer', diffID, id: shortID(diffID), phase: 'preparing', ...NOTHING });
      const done = queue.run(layer.size, 1, () =>
        pushLayer({
          ...{ store, pool: openPool, target: opened, repository: name(asked), layer, hash, signal, onEvent },
          compression: options.compression ?? PACKED,
          exactly: options.compression !== undefined,
        }),
      );
      placed.set(layer.chainID, done);
      return done;
    };
    const settled = await Promise.allSettled(
      references.map((reference) => pushOne(store, reference, opened, place, onEvent)),
    );
    if (signal.aborted) throw new GantryError('ERR_CANCELED', 'push canceled');
    const failed = settled.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  } finally {
    await Promise.allSettled(placed.values()); // they clean up
    target?.http.close();
    await pool?.close();
    held.release();
  }
}

interface Tagged {
  readonly reference: Reference;
  readonly imageID: ImageID;
}

function taggedReferences(store: Store, asked: Reference, all: boolean): Tagged[] {
  if (asked.digest !== undefined) {
    throw new GantryError('ERR_INVALID_REFERENCE', 'cannot push a digest reference');
  }
  if (!all) {
    const reference = withDefaultTag(asked);
    const imageID = store.tags.get(familiarString(reference));
    if (imageID !== undefined) return [{ reference, imageID }];
    throw new GantryError(
      'ERR_NOT_FOUND',
      `An image does not exist locally with the tag: ${familiarName(asked)}`,
      { reference: familiarString(reference), hint: 'gantry images' },
    );
  }
  if (asked.tag !== undefined) {
    throw new GantryError('ERR_INVALID_ARGUMENT', "tag can't be used with --all-tags/-a");
  }
  const repository = familiarName(asked);
  const found = store.tags
    .all()
    .filter((entry) => entry.repository === repository && !entry.reference.includes('@'))
    .map(({ reference, imageID }) => ({
      reference: { ...asked, tag: reference.slice(repository.length + 1) },
      imageID,
    }));
  if (found.length > 0) return found;
  throw new GantryError('ERR_NOT_FOUND', `An image does not exist locally with the tag: ${repository}`, {
    hint: 'gantry images',
  });
}

async function pushOne(
  store: Store,
  { reference, imageID }: Tagged,
  target: PushTarget,
  place: (layer: ImageLayer) => Promise<PushedLayer>,
  onEvent: (event: PushEvent) => void,
): Promise<PushResult> {
  const label = canonicalString(reference);
  const began = performance.now();
  try {
    onEvent({ event: 'pushing', reference: label, repository: name(reference) });
    const image = imageOf(store, imageID);
    const layers = await layersOf(store, image);
    const pushed = await Promise.all(layers.map(place));
    const config = await pushConfig(target, image);
    const descriptors = pushed.map(({ descriptor }) => descriptor);
    const manifest = pulledManifest(store, imageID, descriptors) ?? manifestOf(config, descriptors);
    await putManifest(target, reference, manifest);
    for (const [index, { descriptor }] of pushed.entries()) {
      const sourceRepository = name(reference);
      store.distribution.record(layers[index]!.diffID, { digest: descriptor.digest, sourceRepository });
    }
    const byDigest = familiarString({
      domain: reference.domain,
      path: reference.path,
      digest: manifest.digest,
    });
    await store.tags.update({ set: [{ reference: byDigest, imageID }] });
    recordImageEvent(store, 'push', familiarString(reference), familiarString(reference));
    const { digest } = manifest;
    const size = manifest.bytes.length;
    const bytes = pushed.reduce((sum, { uploaded }) => sum + uploaded, 0);
    onEvent({
      event: 'done',
      reference: label,
      digest,
      size,
      bytes,
      ms: Math.round(performance.now() - began),
    });
    return { reference, digest, size };
  } catch (error) {
    const code = isGantryError(error) ? error.code : 'ERR_INTERNAL';
    onEvent({ event: 'error', reference: label, code, message: (error as Error).message });
    throw error;
  }
}

function imageOf(store: Store, imageID: ImageID): StoredImage {
  const image = store.images.get(imageID);
  if (image !== undefined) return image;
  throw new GantryError('ERR_STORE_CORRUPT', `image ${imageID} has a name and no config`, {
    hint: 'pull the image again',
  });
}

/** Bottom first. Layers of before a crash are checked first. */
async function layersOf(store: Store, image: StoredImage): Promise<ImageLayer[]> {
  const diffIDs = image.config.rootfs.diff_ids ?? [];
  const chain = chainIDsOf(diffIDs);
  const top = chain.at(-1);
  if (top !== undefined) await assertUsable(store, top);
  const blobs = keptManifest(store, image.id)?.manifest.layers;
  return chain.map((chainID, index) => ({
    diffID: diffIDs[index]!,
    chainID,
    size: store.layers.get(chainID)?.size ?? 0,
    ...(blobs?.[index] === undefined ? {} : { pulledAs: blobs[index].digest }),
  }));
}

/** Its digest is the image id. */
async function pushConfig(target: PushTarget, { id, bytes }: StoredImage): Promise<Descriptor> {
  const digest = parseDigest(id);
  const size = bytes.length;
  if ((await findBlob(target, digest)) !== size) {
    const open = (start: number, end: number) => Readable.from([bytes.subarray(start, end)]);
    await uploadBlob({ ...target, blob: { digest, size, open } });
  }
  return { mediaType: MEDIA_TYPE.ociConfig, digest, size };
}
