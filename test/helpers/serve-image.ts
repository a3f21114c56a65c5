/** An image of given layer tars in a registry of memory. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import type { FaultyRegistry } from './faulty-registry.js';

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Adds `<repository>:latest`; returns its manifest's digest. */
export function serveImage(registry: FaultyRegistry, repository: string, ...tars: readonly Buffer[]): string {
  const descriptor = (mediaType: string, content: Buffer) => ({
    mediaType,
    digest: registry.blob(content),
    size: content.length,
  });
  const rootfs = { type: 'layers', diff_ids: tars.map(sha256) };
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: descriptor(MEDIA_TYPE.ociConfig, config),
    layers: tars.map((tar) => descriptor(MEDIA_TYPE.ociLayerGzip, gzipSync(tar))),
  };
  return registry.manifest(repository, 'latest', manifest, MEDIA_TYPE.ociManifest);
}
