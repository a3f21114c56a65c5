/**
 * Content addresses as branded strings: made only by the parsers here, so a Digest in hand is always
 * `sha256:<64 lower hex>` or `sha512:<128 lower hex>` and safe to use as a file name (CVE-2024-3727).
 *
 *   Digest   of any blob          DiffID   of a layer's uncompressed tar
 *   ChainID  of a stack of layers ImageID  of an image's config       (image-spec, config.md, "Layer ChainID")
 */
import { createHash } from 'node:crypto';
import { GantryError } from '../errors.js';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type Digest = Branded<'Digest'>;
export type DiffID = Branded<'DiffID'>;
export type ChainID = Branded<'ChainID'>;
export type ImageID = Branded<'ImageID'>;

export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 };

function checked(text: string, what: string): string {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  const length = HEX_LENGTH[algorithm as DigestAlgorithm];
  if (colon < 0 || length === undefined || hex.length !== length || !/^[0-9a-f]+$/.test(hex)) {
    throw new GantryError(
      'ERR_INVALID_DIGEST',
      `${what}: expected sha256:<64 lower-case hex> or sha512:<128 lower-case hex>, found ${JSON.stringify(text.slice(0, 160))}`,
    );
  }
  return text;
}

/** Parses a digest. Throws ERR_INVALID_DIGEST. `what` names the thing in the message. */
export const parseDigest = (text: string, what = 'digest'): Digest => checked(text, what) as Digest;
export const parseDiffID = (text: string, what = 'diffID'): DiffID => checked(text, what) as DiffID;
export const parseChainID = (text: string, what = 'chainID'): ChainID => checked(text, what) as ChainID;
export const parseImageID = (text: string, what = 'image id'): ImageID => checked(text, what) as ImageID;

type AnyDigest = Digest | DiffID | ChainID | ImageID;

/** The hex half, for file names. */
export const hexOf = (digest: AnyDigest): string => digest.slice(digest.indexOf(':') + 1);

export const algorithmOf = (digest: AnyDigest): DigestAlgorithm =>
  digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;

/** sha256 of a small document (manifest, config); layers go through `createHasher`. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** Image id of a config document: the digest of its bytes as received. */
export const imageIDOf = (config: Uint8Array): ImageID => digestOf(config) as string as ImageID;

/** C(L0) = DiffID(L0); C(L0..n) = sha256(C(L0..n-1) + " " + DiffID(Ln)). */
export function chainIDOf(parent: ChainID | undefined, diffID: DiffID): ChainID {
  return (parent === undefined ? diffID : digestOf(`${parent} ${diffID}`)) as string as ChainID;
}

/** The chainIDs of a stack, bottom first, one for each diffID. */
export function chainIDsOf(diffIDs: readonly DiffID[]): ChainID[] {
  const chain: ChainID[] = [];
  for (const diffID of diffIDs) chain.push(chainIDOf(chain.at(-1), diffID));
  return chain;
}

/** First 12 hex digits, the form users see. */
export const shortID = (id: AnyDigest | string): string => id.replace(/^sha\d+:/, '').slice(0, 12);
