/**
 * The documents of an image archive: an OCI image layout, and beside it what `docker load` of every version reads.
 *
 *   oci-layout     {"imageLayoutVersion":"1.0.0"}
 *   index.json     one descriptor a name, annotations io.containerd.image.name and org.opencontainers.image.ref.name
 *   blobs/sha256/  manifests, configs, layers
 *   manifest.json  [{"Config":"blobs/sha256/<id>","RepoTags":["redis:7"],"Layers":["blobs/sha256/<diff hex>",…]}]
 *   repositories   {"redis":{"7":"<hex of the top layer>"}}
 *
 * Invariant: the same images make the same bytes; a config is passed on as it is.
 */
import { type Digest, digestOf, hexOf, type ImageID } from '../core/digest/digest.js';
import { MEDIA_TYPE } from '../core/oci/media-types.js';

export interface ArchivedLayer {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

export interface ArchivedName {
  /** "redis:7" */
  readonly familiar: string;
  /** "docker.io/library/redis:7" */
  readonly canonical: string;
}

export interface ArchivedImage {
  readonly id: ImageID;
  readonly config: Buffer;
  readonly names: readonly ArchivedName[];
  readonly layers: readonly ArchivedLayer[];
}

export interface Document {
  readonly name: string;
  readonly bytes: Buffer;
}

export const blobName = (digest: Digest | ImageID): string => `blobs/sha256/${hexOf(digest)}`;

const json = (name: string, value: unknown): Document => ({
  name,
  bytes: Buffer.from(JSON.stringify(value)),
});

/** All that an OCI layout holds beside its layers. */
export function layoutDocuments(images: readonly ArchivedImage[]): Document[] {
  const blobs = new Map<string, Document>();
  const manifests: unknown[] = [];
  for (const { id, config, names, layers } of images) {
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: { mediaType: MEDIA_TYPE.ociConfig, digest: id, size: config.length },
        layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      }),
    );
    const digest = digestOf(bytes);
    blobs.set(id, { name: blobName(id), bytes: config });
    blobs.set(digest, { name: blobName(digest), bytes });
    const descriptor = { mediaType: MEDIA_TYPE.ociManifest, digest, size: bytes.length };
    if (names.length === 0) manifests.push(descriptor);
    for (const { canonical } of names) {
      const annotations = {
        'io.containerd.image.name': canonical,
        'org.opencontainers.image.ref.name': tagOf(canonical),
      };
      manifests.push({ ...descriptor, annotations });
    }
  }
  return [
    json('oci-layout', { imageLayoutVersion: '1.0.0' }),
    json('index.json', { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }),
    ...blobs.values(),
  ];
}

/** What makes a layout of uncompressed layers a `docker save` archive. */
export function dockerDocuments(images: readonly ArchivedImage[]): Document[] {
  const repositories = new Map<string, Record<string, string>>();
  for (const { names, layers } of images) {
    const top = layers.at(-1);
    for (const { familiar } of names) {
      const repository = familiar.slice(0, familiar.lastIndexOf(':'));
      const tags = repositories.get(repository) ?? {};
      if (top !== undefined) tags[tagOf(familiar)] = hexOf(top.digest);
      repositories.set(repository, tags);
    }
  }
  const manifest = images.map(({ id, names, layers }) => ({
    Config: blobName(id),
    RepoTags: names.length === 0 ? null : names.map(({ familiar }) => familiar),
    Layers: layers.map(({ digest }) => blobName(digest)),
  }));
  return [
    json('manifest.json', manifest),
    ...(repositories.size === 0 ? [] : [json('repositories', Object.fromEntries(repositories))]),
  ];
}

const tagOf = (reference: string): string => reference.slice(reference.lastIndexOf(':') + 1);
