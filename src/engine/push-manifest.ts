/**
 * The manifest of a push: the one that the image was pulled by where the blobs are the same, so that its digest stays
 * what it was; else OCI's, with nothing in it but what the image is, so that one image pushed twice has one digest.
 */
import { digestOf, type ImageID } from '../core/digest/digest.js';
import { type Descriptor, parseJson } from '../core/oci/descriptor.js';
import { type Manifest, manifestSchema } from '../core/oci/manifest.js';
import { MEDIA_TYPE } from '../core/oci/media-types.js';
import type { KeptManifest } from '../image/imagedb.js';
import type { PushedManifest } from '../registry/push-target.js';
import type { Store } from './store.js';

/** The manifest that the image came by, where what was pushed is just what it names. */
export function pulledManifest(
  store: Store,
  imageID: ImageID,
  pushed: readonly Descriptor[],
): PushedManifest | undefined {
  const kept = keptManifest(store, imageID);
  const same = kept?.manifest.layers.every(({ digest }, index) => digest === pushed[index]?.digest);
  if (kept === undefined || !same || kept.manifest.layers.length !== pushed.length) return undefined;
  return { mediaType: kept.mediaType, bytes: kept.bytes, digest: digestOf(kept.bytes) };
}

/** Undefined also for a damaged one: it is a hint. */
export function keptManifest(
  store: Store,
  imageID: ImageID,
): (KeptManifest & { manifest: Manifest }) | undefined {
  const kept = store.images.manifest(imageID);
  if (kept === undefined) return undefined;
  try {
    const manifest = parseJson(manifestSchema, kept.bytes, 'kept manifest');
    return (manifest.config.digest as string) === imageID ? { ...kept, manifest } : undefined;
  } catch {
    return undefined;
  }
}

export function manifestOf(config: Descriptor, layers: readonly Descriptor[]): PushedManifest {
  const mediaType = MEDIA_TYPE.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
  return { mediaType, bytes, digest: digestOf(bytes) };
}
