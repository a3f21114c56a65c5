/**
 * Image references as people type them and as registries know them (grammar of distribution/reference):
 *
 *   reference := name [":" tag] ["@" digest]        name := [domain "/"] path
 *   redis                    → docker.io/library/redis
 *   index.docker.io/a/b:1    → docker.io/a/b:1
 *   localhost:5000/x@sha256… → as it stands
 *
 * A Reference is normalised: it always has a domain, and `path` has its `library/`. The familiar form takes both off again.
 */
import { type Digest, parseDigest } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';

export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const HUB_DOMAIN = 'docker.io';
const HUB_LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL = 'library/';
const MAX_PATH = 255;

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '\\w[\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(${DOMAIN})/(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);

const invalid = (text: string, why: string): GantryError =>
  new GantryError(
    'ERR_INVALID_REFERENCE',
    `invalid reference format: ${why}, found ${JSON.stringify(text.slice(0, 300))}`,
  );

function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = isDomain ? (first === HUB_LEGACY_DOMAIN ? HUB_DOMAIN : first) : HUB_DOMAIN;
  const rest = isDomain ? text.slice(slash + 1) : text;
  return { domain, rest: domain === HUB_DOMAIN && !rest.includes('/') ? OFFICIAL + rest : rest };
}

/**
 * Parses and normalises. No tag is made up: see `withDefaultTag`. Throws ERR_INVALID_REFERENCE, and ERR_INVALID_DIGEST
 * for a digest of another algorithm or form than sha256 and sha512 in lower-case hex.
 */
export function parseReference(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw invalid(text, 'a name cannot be 64 hexadecimal digits (that is the form of an image id)');
  }
  const { domain, rest } = splitDomain(text);
  const repository = rest.split(':', 1)[0]!;
  if (repository.toLowerCase() !== repository) {
    throw invalid(text, `repository name (${repository.slice(0, 300)}) must be lowercase`);
  }
  const match = REFERENCE.exec(`${domain}/${rest}`);
  if (match === null) throw invalid(text, 'expected [domain/]name[:tag][@digest]');
  const [, , path, tag, digest] = match;
  if (path!.length > MAX_PATH) {
    throw invalid(text, `repository name must not be more than ${MAX_PATH} characters`);
  }
  return {
    domain,
    path: path!,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest: parseDigest(digest, `digest of ${domain}/${path}`) }),
  };
}

/** "docker.io/library/redis" */
export const name = (ref: Reference): string => `${ref.domain}/${ref.path}`;

/** "redis", "user/app", "quay.io/a/b" */
export function familiarName(ref: Reference): string {
  if (ref.domain !== HUB_DOMAIN) return name(ref);
  const official = ref.path.startsWith(OFFICIAL) && !ref.path.slice(OFFICIAL.length).includes('/');
  return official ? ref.path.slice(OFFICIAL.length) : ref.path;
}

const suffix = (ref: Reference): string =>
  (ref.tag === undefined ? '' : `:${ref.tag}`) + (ref.digest === undefined ? '' : `@${ref.digest}`);

/** "docker.io/library/redis:7" */
export const canonicalString = (ref: Reference): string => name(ref) + suffix(ref);

/** "redis:7", "redis@sha256:…" */
export const familiarString = (ref: Reference): string => familiarName(ref) + suffix(ref);

/** Adds ":latest" where there is neither tag nor digest. */
export const withDefaultTag = (ref: Reference): Reference =>
  ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: 'latest' } : ref;

/** What a pull asks for: a digest wins over the tag beside it, nothing means ":latest". */
export function pullReference(ref: Reference): Reference {
  if (ref.digest === undefined) return withDefaultTag(ref);
  return { domain: ref.domain, path: ref.path, digest: ref.digest };
}
