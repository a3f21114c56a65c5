/**
 * What a registry server offers: the images of OCI layouts and `docker save` archives by repository and tag.
 *
 *   index.json annotations                                          offered as
 *   io.containerd.image.name: docker.io/library/redis:7             library/redis:7 and redis:7
 *   org.opencontainers.image.ref.name: ghcr.io/a/b:1                a/b:1
 *   org.opencontainers.image.ref.name: 7        in folder redis/    redis:7
 *   no name                                     in app.oci.tar      app:latest
 */
import { type Digest, digestOf, hexOf, parseDigest } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type Descriptor, parseJson } from '../core/oci/descriptor.js';
import { type Index, indexSchema, manifestSchema } from '../core/oci/manifest.js';
import { isIndexType, isManifestType, MEDIA_TYPE } from '../core/oci/media-types.js';
import { type DockerArchive, readDockerArchive, savedImage } from './docker-archive.js';
import { type FileRange, type LayoutArchive, openLayoutArchive, readRange } from './layout-archive.js';
import { HUB_DOMAIN, parseReference } from './reference.js';

export interface ManifestDocument {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export class LayoutContent {
  readonly #archives: LayoutArchive[] = [];
  /** Repository → tag → digest of the manifest or index. */
  readonly #repositories = new Map<string, Map<string, Digest>>();
  /** Manifests that were made up, and blobs that do not lie under their digest. */
  readonly #documents = new Map<Digest, Buffer>();
  readonly #files = new Map<Digest, FileRange>();

  /** Reads the indexes of folders and tars. Throws ERR_NOT_FOUND, ERR_INVALID_ARGUMENT, ERR_MANIFEST_INVALID, ERR_CONFLICT. */
  constructor(sources: readonly string[]) {
    for (const source of sources) this.#add(openLayoutArchive(source));
  }

  repositories(): string[] {
    return [...this.#repositories.keys()].sort();
  }

  /** undefined: no such repository. */
  tags(repository: string): string[] | undefined {
    const tags = this.#repositories.get(repository);
    return tags && [...tags.keys()].sort();
  }

  /** By tag or digest. */
  manifest(repository: string, reference: string): ManifestDocument | undefined {
    const tags = this.#repositories.get(repository);
    if (tags === undefined) return undefined;
    const digest = reference.includes(':') ? parseDigest(reference) : tags.get(reference);
    const bytes = digest && this.#document(digest);
    if (digest === undefined || bytes === undefined) return undefined;
    const mediaType = mediaTypeOf(bytes);
    return mediaType === undefined ? undefined : { digest, mediaType, bytes };
  }

  blob(digest: Digest): FileRange | Buffer | undefined {
    const known = this.#documents.get(digest) ?? this.#files.get(digest);
    if (known !== undefined) return known;
    for (const archive of this.#archives) {
      const file = archive.file(blobPath(digest));
      if (file !== undefined) return file;
    }
    return undefined;
  }

  #document(digest: Digest): Buffer | undefined {
    const blob = this.blob(digest);
    if (blob === undefined || Buffer.isBuffer(blob)) return blob;
    return blob.size > LIMITS.manifestBytes ? undefined : readRange(blob, LIMITS.manifestBytes);
  }

  #add(archive: LayoutArchive): void {
    this.#archives.push(archive);
    const indexFile = archive.file('index.json');
    const saved = readDockerArchive(archive);
    const bytes = indexFile && readRange(indexFile, LIMITS.manifestBytes);
    const index = bytes && parseJson(indexSchema, bytes, `${archive.path}: index.json`);
    if (saved !== undefined && (index === undefined || isHollow(archive, index, saved))) {
      this.#addSaved(archive, saved);
    } else if (index !== undefined && bytes !== undefined) {
      this.#addIndex(archive, index, bytes);
    } else {
      throw new GantryError(
        'ERR_INVALID_ARGUMENT',
        `${archive.path}: expected an OCI image layout or a docker save archive, found neither index.json nor manifest.json`,
      );
    }
  }

  #addIndex(archive: LayoutArchive, index: Index, bytes: Buffer): void {
    const unnamed: Descriptor[] = [];
    for (const descriptor of index.manifests) {
      const { annotations } = descriptor;
      const full = annotations?.['io.containerd.image.name'];
      const ref = full ?? annotations?.['org.opencontainers.image.ref.name'];
      if (ref === undefined) unnamed.push(descriptor);
      else if (full === undefined && !/[/:]/.test(ref))
        this.#name(archive, repositoryName(archive), ref, descriptor.digest);
      else this.#nameFully(archive, ref, descriptor.digest);
    }
    if (unnamed.length === 0 || unnamed.length < index.manifests.length) return;
    if (unnamed.length === 1) {
      this.#name(archive, repositoryName(archive), 'latest', unnamed[0]!.digest);
    } else {
      // one image for several platforms, flattened: index.json is itself the index to ask for
      const digest = digestOf(bytes);
      this.#documents.set(digest, bytes);
      this.#name(archive, repositoryName(archive), 'latest', digest);
    }
  }

  #addSaved(archive: LayoutArchive, saved: DockerArchive): void {
    for (const image of saved) {
      const { manifest, blobs } = savedImage(archive, image);
      const digest = digestOf(manifest);
      this.#documents.set(digest, manifest);
      for (const [blob, file] of blobs) this.#files.set(blob, file);
      for (const ref of image.RepoTags ?? []) this.#nameFully(archive, ref, digest);
      if (!image.RepoTags?.length) this.#name(archive, repositoryName(archive), 'latest', digest);
    }
  }

  #nameFully(archive: LayoutArchive, text: string, digest: Digest): void {
    const { domain, path, tag = 'latest' } = parseReference(text);
    this.#name(archive, path, tag, digest);
    // "gantry pull HOST/redis" asks for redis, a mirror of Docker Hub for library/redis
    if (domain === HUB_DOMAIN && /^library\/[^/]+$/.test(path)) {
      this.#name(archive, path.slice('library/'.length), tag, digest);
    }
  }

  #name(archive: LayoutArchive, repository: string, tag: string, digest: Digest): void {
    const tags = this.#repositories.get(repository) ?? new Map<string, Digest>();
    const other = tags.get(tag);
    if (other !== undefined && other !== digest) {
      throw new GantryError(
        'ERR_CONFLICT',
        `${archive.path}: ${repository}:${tag} is ${digest} here, but ${other} in another image`,
      );
    }
    this.#repositories.set(repository, tags.set(tag, digest));
  }
}

const blobPath = (digest: Digest): string => `blobs/${digest.slice(0, digest.indexOf(':'))}/${hexOf(digest)}`;

/** The archive's file name as a repository name. */
function repositoryName(archive: LayoutArchive): string {
  const name = archive.name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return name.replace(/^-|-$/g, '') || 'image';
}

/** True when a manifest of the index lists fewer layers than manifest.json does for the same config. */
function isHollow(archive: LayoutArchive, index: Index, saved: DockerArchive): boolean {
  const listed = new Map<string, number>();
  for (const descriptor of index.manifests) {
    const file = isManifestType(descriptor.mediaType) ? archive.file(blobPath(descriptor.digest)) : undefined;
    if (file === undefined) continue;
    const what = `${archive.path}: manifest ${descriptor.digest}`;
    const { config, layers } = parseJson(manifestSchema, readRange(file, LIMITS.manifestBytes), what);
    listed.set(blobPath(config.digest), layers.length);
  }
  return saved.some((image) => (listed.get(image.Config) ?? image.Layers.length) < image.Layers.length);
}

/** The document's own media type; for those without, by what it has. undefined: not a manifest. */
function mediaTypeOf(bytes: Buffer): string | undefined {
  let document: { mediaType?: unknown; manifests?: unknown; layers?: unknown };
  try {
    document = JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
  const { mediaType, manifests, layers } = document ?? {};
  if (typeof mediaType === 'string') {
    return isIndexType(mediaType) || isManifestType(mediaType) ? mediaType : undefined;
  }
  if (Array.isArray(manifests)) return MEDIA_TYPE.ociIndex;
  return Array.isArray(layers) ? MEDIA_TYPE.ociManifest : undefined;
}
