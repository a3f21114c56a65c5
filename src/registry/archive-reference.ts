/**
 * Images in what is no registry, in the words of skopeo and podman:
 *
 *   oci:DIR[:NAME]   oci-archive:FILE[:NAME]   docker-archive:FILE[:NAME]
 *
 * NAME is an image's name in there, or its bare tag; without it there must be one image. An image whose only name is a
 * tag gets the directory's or file's as its repository: `oci:redis:7` is redis:7.
 */
import { GantryError } from '../core/errors.js';

const TRANSPORTS = ['oci', 'oci-archive', 'docker-archive'] as const;

export interface ArchiveReference {
  readonly transport: (typeof TRANSPORTS)[number];
  readonly path: string;
  readonly name: string | undefined;
}

/** Undefined for a reference to a registry. Throws ERR_INVALID_REFERENCE without a path. */
export function parseArchiveReference(text: string): ArchiveReference | undefined {
  const transport = TRANSPORTS.find((known) => text.startsWith(`${known}:`));
  if (transport === undefined) return undefined;
  const rest = text.slice(transport.length + 1);
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (path !== '') return { transport, path, name: colon < 0 ? undefined : rest.slice(colon + 1) };
  throw new GantryError(
    'ERR_INVALID_REFERENCE',
    `expected ${transport}:PATH[:NAME], found ${JSON.stringify(text)}`,
  );
}
