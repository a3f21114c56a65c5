/**
 * What a registry sent as a manifest: which kind of document it is, and whether it is one that may be pulled.
 *
 * A document that two clients could read in two ways (CVE-2021-41190) is refused: one with both `manifests` and
 * `layers`, or whose own mediaType, Content-Type and descriptor do not all say the same. Everything that would make a
 * pull fail later (schema 1, artifacts, foreign or unknown layers) is refused here, before a byte of layer is fetched.
 */
import { GantryError } from '../core/errors.js';
import { type Descriptor, parseJson } from '../core/oci/descriptor.js';
import { type Index, indexSchema, type Manifest, manifestSchema } from '../core/oci/manifest.js';
import {
  isConfigType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  layerCompression,
  MEDIA_TYPE,
} from '../core/oci/media-types.js';

export type ManifestDocument =
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: Index }
  | { readonly kind: 'image'; readonly mediaType: string; readonly manifest: Manifest };

/** Types of servers that do not know what they serve; the document's own mediaType decides then. */
const GENERIC = new Set(['', 'application/json', 'application/octet-stream', 'text/plain']);

interface Shape {
  readonly schemaVersion?: unknown;
  readonly mediaType?: unknown;
  readonly manifests?: unknown;
  readonly layers?: unknown;
  readonly config?: unknown;
  readonly fsLayers?: unknown;
}

const confused = (what: string, why: string): GantryError =>
  new GantryError('ERR_MANIFEST_CONFUSION', `${what}: manifest can be read in two ways: ${why}`);

function readShape(bytes: Uint8Array, what: string): Shape {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new GantryError('ERR_MANIFEST_INVALID', `${what}: manifest is not valid JSON`, {}, { cause });
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document;
  throw new GantryError('ERR_MANIFEST_INVALID', `${what}: manifest is not a JSON object`);
}

/** The one type that Content-Type, descriptor, document and fields agree on. */
function agreedType(shape: Shape, contentType: string, described: string | undefined, what: string): string {
  const sent = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (isSchema1Type(sent) || shape.schemaVersion === 1) {
    throw new GantryError(
      'ERR_UNSUPPORTED',
      `${what}: image is in Docker's schema 1 format, expected schema 2 or OCI`,
      { hint: 'push the image again with a current docker, or convert it with: skopeo copy' },
    );
  }
  if (shape.manifests !== undefined && (shape.layers ?? shape.config) !== undefined) {
    throw confused(what, 'it has both manifests and layers');
  }
  if (shape.fsLayers !== undefined) throw confused(what, 'it has the layers of schema 1 as well');
  const own = typeof shape.mediaType === 'string' && shape.mediaType !== '' ? shape.mediaType : undefined;
  const claims = [GENERIC.has(sent) ? undefined : sent, described, own].filter((type) => type !== undefined);
  const [type = shape.manifests === undefined ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.ociIndex] = claims;
  const other = claims.find((claim) => claim !== type);
  if (other !== undefined) throw confused(what, `it is called both ${type} and ${other}`);
  return type;
}

/** Refuses what is no image or cannot be unpacked. Throws ERR_UNSUPPORTED. */
function checkImage(manifest: Manifest, what: string): void {
  if (!isConfigType(manifest.config.mediaType)) {
    throw new GantryError(
      'ERR_UNSUPPORTED',
      `${what}: not a container image but an artifact, its config is of type ${JSON.stringify(manifest.config.mediaType)}`,
    );
  }
  for (const [i, { mediaType }] of manifest.layers.entries()) {
    if (layerCompression(mediaType) !== undefined) continue;
    const foreign = /foreign|nondistributable/.test(mediaType);
    throw new GantryError(
      'ERR_UNSUPPORTED',
      `${what}: layer ${i + 1} of ${manifest.layers.length} is of ${foreign ? 'foreign' : 'unknown'} type ${JSON.stringify(mediaType)}`,
      { layer: i, mediaType },
    );
  }
}

/**
 * Reads a document. `contentType` as sent; `descriptor` is the index's entry for it, if it came from one. Throws
 * ERR_MANIFEST_INVALID, ERR_MANIFEST_CONFUSION, ERR_UNSUPPORTED.
 */
export function readManifestDocument(
  bytes: Uint8Array,
  contentType: string,
  what: string,
  descriptor?: Descriptor,
): ManifestDocument {
  const mediaType = agreedType(readShape(bytes, what), contentType, descriptor?.mediaType, what);
  if (isIndexType(mediaType)) {
    return { kind: 'index', mediaType, index: parseJson(indexSchema, bytes, `${what}: index`) };
  }
  if (!isManifestType(mediaType)) {
    throw new GantryError('ERR_UNSUPPORTED', `${what}: unknown manifest type ${JSON.stringify(mediaType)}`);
  }
  const manifest = parseJson(manifestSchema, bytes, `${what}: manifest`);
  checkImage(manifest, what);
  return { kind: 'image', mediaType, manifest };
}
