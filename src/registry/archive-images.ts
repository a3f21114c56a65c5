/**
 * The images of an archive or layout, read and checked as far as its documents go: what load, pull and convert take.
 *
 *   manifest.json (docker save)   decides where there is one: an index.json beside it may leave layers out (docker 25)
 *   index.json (OCI layout)       manifests by digest and size; of an index in it the manifest for this platform
 *
 * A docker archive names no digests of layers, so there the diffID alone says what is right; in a layout the blob's
 * digest is checked as well.
 */
import { type DiffID, type Digest, digestOf, hexOf } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type Descriptor, parseJson } from '../core/oci/descriptor.js';
import { type ImageConfig, parseImageConfig } from '../core/oci/image-config.js';
import { indexSchema } from '../core/oci/manifest.js';
import { type DockerArchive, readDockerArchive } from './docker-archive.js';
import { checkConfig, checkDigest, wrongSize } from './image-checks.js';
import type { FileRange, LayoutArchive } from './layout-archive.js';
import { readManifestDocument } from './manifest-document.js';
import { choosePlatform, hostPlatform, type PlatformSpec } from './platform.js';

export interface ArchiveLayer {
  readonly file: FileRange;
  readonly diffID: DiffID;
  /** Of the blob; undefined where the archive does not say. */
  readonly digest: Digest | undefined;
}

export interface ArchiveImage {
  readonly config: Buffer;
  readonly imageConfig: ImageConfig;
  /** As the archive writes them: "redis:7", "docker.io/library/redis:7", or a bare "7". */
  readonly names: readonly string[];
  /** Bottom first. */
  readonly layers: readonly ArchiveLayer[];
}

const MAX_NESTING = 3;
const FULL_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * Throws ERR_INVALID_ARGUMENT for what is no image archive or lacks a member, ERR_DIGEST_MISMATCH, ERR_SIZE_MISMATCH,
 * ERR_MANIFEST_*, ERR_NO_PLATFORM, ERR_UNSUPPORTED.
 */
export function readArchiveImages(archive: LayoutArchive, platform?: PlatformSpec): ArchiveImage[] {
  const saved = readDockerArchive(archive);
  if (saved !== undefined) return saved.map((image) => savedImage(archive, image, platform));
  const index = archive.file('index.json');
  if (index === undefined) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${archive.path}: expected an image archive or an OCI layout, found neither manifest.json nor index.json in it`,
    );
  }
  const what = `${archive.path}: index.json`;
  const { manifests } = parseJson(indexSchema, archive.read(index, LIMITS.manifestBytes), what);
  return byManifest(chosen(manifests, platform, what)).map(([entry, names]) =>
    layoutImage(archive, entry, names, platform),
  );
}

function savedImage(
  archive: LayoutArchive,
  { Config, Layers, RepoTags }: DockerArchive[number],
  platform: PlatformSpec | undefined,
): ArchiveImage {
  const what = `${archive.path}: ${Config}`;
  const config = archive.read(member(archive, Config), LIMITS.configBytes);
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(Config)?.[1];
  const found = digestOf(config);
  if (named !== undefined && hexOf(found) !== named) {
    throw new GantryError('ERR_DIGEST_MISMATCH', `${what}: its contents have the digest ${found}`);
  }
  const imageConfig = parseImageConfig(config, what);
  const diffIDs = imageConfig.rootfs.diff_ids ?? [];
  if (diffIDs.length !== Layers.length) {
    const message = `${what}: expected ${diffIDs.length} layers as in the config, found ${Layers.length} in manifest.json`;
    throw new GantryError('ERR_MANIFEST_INVALID', message);
  }
  checkConfig(what, { layers: Layers }, imageConfig, platform);
  const layers = Layers.map((name, index) => ({
    file: member(archive, name),
    diffID: diffIDs[index] as DiffID,
    digest: undefined,
  }));
  return { config, imageConfig, names: RepoTags ?? [], layers };
}

/** Names of one image stand in several entries, platforms of one name too. */
function chosen(
  manifests: readonly Descriptor[],
  platform: PlatformSpec | undefined,
  what: string,
): Descriptor[] {
  const named = new Map<string | undefined, Descriptor[]>();
  for (const entry of manifests) {
    const name = nameOf(entry);
    named.set(name, [...(named.get(name) ?? []), entry]);
  }
  return [...named].flatMap(([name, entries]) => {
    const digests = new Set(entries.map(({ digest }) => digest));
    const several = digests.size > 1 && entries.every((entry) => entry.platform !== undefined);
    if (several) return [choosePlatform(entries, platform ?? hostPlatform(), what)];
    if (digests.size === 1 || name === undefined) return entries;
    const message = `${what}: expected one image of the name ${name}, found ${digests.size}`;
    throw new GantryError('ERR_MANIFEST_INVALID', message);
  });
}

const nameOf = ({ annotations }: Descriptor): string | undefined =>
  annotations?.[FULL_NAME] ?? annotations?.[REF_NAME];

function byManifest(entries: readonly Descriptor[]): [Descriptor, string[]][] {
  const images = new Map<Digest, [Descriptor, string[]]>();
  for (const entry of entries) {
    const image = images.get(entry.digest) ?? [entry, []];
    const name = nameOf(entry);
    if (name !== undefined) image[1].push(name);
    images.set(entry.digest, image);
  }
  return [...images.values()];
}

function layoutImage(
  archive: LayoutArchive,
  entry: Descriptor,
  names: readonly string[],
  platform: PlatformSpec | undefined,
): ArchiveImage {
  let at = entry;
  for (let depth = 0; depth < MAX_NESTING; depth++) {
    const what = `${archive.path}: ${at.digest}`;
    const document = readManifestDocument(blob(archive, at, LIMITS.manifestBytes), '', what, at);
    if (document.kind === 'index') {
      at = choosePlatform(document.index.manifests, platform ?? hostPlatform(), what);
      continue;
    }
    const { manifest } = document;
    const config = blob(archive, manifest.config, LIMITS.configBytes);
    const imageConfig = parseImageConfig(config, `${archive.path}: ${manifest.config.digest}`);
    checkConfig(what, manifest, imageConfig, platform);
    const layers = manifest.layers.map((layer, index) => ({
      file: sized(archive, layer),
      diffID: imageConfig.rootfs.diff_ids?.[index] as DiffID,
      digest: layer.digest,
    }));
    return { config, imageConfig, names, layers };
  }
  throw new GantryError('ERR_MANIFEST_INVALID', `${archive.path}: indexes in indexes, expected an image`);
}

function blob(archive: LayoutArchive, descriptor: Descriptor, limit: number): Buffer {
  const bytes = archive.read(sized(archive, descriptor), limit);
  checkDigest(archive.path, bytes, descriptor.digest);
  return bytes;
}

function sized(archive: LayoutArchive, descriptor: Descriptor): FileRange {
  const { digest, size } = descriptor;
  const file = member(archive, `blobs/${digest.slice(0, digest.indexOf(':'))}/${hexOf(digest)}`);
  if (file.size !== size) throw wrongSize(archive.path, descriptor, file.size);
  return file;
}

function member(archive: LayoutArchive, name: string): FileRange {
  const file = archive.file(name);
  if (file !== undefined) return file;
  throw new GantryError('ERR_INVALID_ARGUMENT', `${archive.path}: no file ${name} in it`);
}
