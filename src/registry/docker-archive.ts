/**
 * `docker save` archives, as far as they need an OCI manifest made up for them:
 *
 *   manifest.json  [{"Config":"blobs/sha256/…" or "<id>.json", "RepoTags":["redis:7"], "Layers":["<id>/layer.tar",…]}]
 *
 * Needed for archives older than docker 25, which have no index.json, and for newer ones whose manifests list only
 * foreign layers. Layers are served as they lie in the archive.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import * as v from 'valibot';
import { type Digest, digestOf, parseDigest } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { parseJson } from '../core/oci/descriptor.js';
import { parseImageConfig } from '../core/oci/image-config.js';
import { MEDIA_TYPE } from '../core/oci/media-types.js';
import type { FileRange, LayoutArchive } from './layout-archive.js';

export const dockerArchiveSchema = v.pipe(
  v.array(
    v.object({
      Config: v.string(),
      RepoTags: v.optional(v.nullable(v.array(v.string()))),
      Layers: v.pipe(v.array(v.string()), v.maxLength(LIMITS.layers)),
    }),
  ),
  v.maxLength(LIMITS.indexEntries),
);
export type DockerArchive = v.InferOutput<typeof dockerArchiveSchema>;

export interface SavedImage {
  readonly manifest: Buffer;
  /** What the manifest refers to. */
  readonly blobs: ReadonlyMap<Digest, FileRange>;
}

/** What manifest.json says; undefined where there is none. */
export function readDockerArchive(archive: LayoutArchive): DockerArchive | undefined {
  const file = archive.file('manifest.json');
  const what = `${archive.path}: manifest.json`;
  return file && parseJson(dockerArchiveSchema, archive.read(file, LIMITS.manifestBytes), what);
}

/** Writes the OCI manifest of one image. Compressed layers outside `blobs/` are hashed here, once. */
export function savedImage(archive: LayoutArchive, image: DockerArchive[number]): SavedImage {
  const member = (name: string): FileRange => {
    const file = archive.file(name);
    if (file === undefined)
      throw new GantryError('ERR_INVALID_ARGUMENT', `${archive.path}: no file ${name} in it`);
    return file;
  };
  const configFile = member(image.Config);
  const config = archive.read(configFile, LIMITS.configBytes);
  const diffIDs = parseImageConfig(config, `${archive.path}: ${image.Config}`).rootfs.diff_ids ?? [];
  if (diffIDs.length !== image.Layers.length) {
    const found = `${image.Layers.length} layers, its config ${diffIDs.length}`;
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${archive.path}: the manifest of ${image.Config} has ${found}`,
    );
  }
  const configDigest = digestOf(config);
  const blobs = new Map<Digest, FileRange>([[configDigest, configFile]]);
  const layers = image.Layers.map((name, i) => {
    const file = member(name);
    const mediaType = layerType(archive, file);
    const named = /^blobs\/(sha256)\/([0-9a-f]{64})$/.exec(name);
    const plain = mediaType === MEDIA_TYPE.ociLayer ? diffIDs[i] : undefined;
    const digest = parseDigest(named ? `${named[1]}:${named[2]}` : (plain ?? hashOf(file)));
    blobs.set(digest, file);
    return { mediaType, digest, size: file.size };
  });
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: { mediaType: MEDIA_TYPE.ociConfig, digest: configDigest, size: config.length },
    layers,
  };
  return { manifest: Buffer.from(JSON.stringify(document)), blobs };
}

function layerType(archive: LayoutArchive, file: FileRange): string {
  const magic = archive.read({ ...file, size: Math.min(4, file.size) }, 4).toString('hex');
  if (magic.startsWith('1f8b')) return MEDIA_TYPE.ociLayerGzip;
  return magic === '28b52ffd' ? MEDIA_TYPE.ociLayerZstd : MEDIA_TYPE.ociLayer;
}

function hashOf(file: FileRange): string {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(1024 * 1024);
  const fd = openSync(file.path, 'r');
  try {
    for (let at = 0; at < file.size; ) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, file.size - at), file.offset + at);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
      at += count;
    }
    return `sha256:${hash.digest('hex')}`;
  } finally {
    closeSync(fd);
  }
}
