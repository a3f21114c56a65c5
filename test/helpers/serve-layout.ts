/** An OCI layout in a registry of memory. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor } from '../../src/core/oci/descriptor.js';
import type { FaultyRegistry } from './faulty-registry.js';

/** Adds the image as `<host>/<repository>:latest` and returns that reference. */
export function serveLayout(registry: FaultyRegistry, dir: string, repository: string): string {
  const blob = (digest: string): Buffer => readFileSync(join(dir, 'blobs', digest.replace(':', '/')));
  const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  const { digest, mediaType } = index.manifests[0]!;
  const manifest = JSON.parse(blob(digest).toString()) as { config: Descriptor; layers: Descriptor[] };
  for (const part of [manifest.config, ...manifest.layers]) registry.blob(blob(part.digest));
  registry.manifest(repository, 'latest', manifest, mediaType);
  return `${registry.host}/${repository}:latest`;
}
