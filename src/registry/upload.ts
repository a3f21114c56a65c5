/**
 * Puts one blob into a repository (distribution-spec v1.1, "Pushing blobs"):
 *
 *   POST /v2/<name>/blobs/uploads/[?mount=<digest>&from=<name>]   201 mounted, or 202 with Location
 *   PUT  <location>?digest=<digest>                               all of a small one
 *   PATCH <location>  Content-Range: 0-67108863                   a big one in pieces, each answer with the next Location
 *   GET  <location>                                               after a failure: Range: 0-<last byte it has>
 *   PUT  <location>?digest=<digest>                               nothing more; the registry compares the digest
 *
 * Invariant: bytes are sent only at the offset that the registry says it is at; where it has forgotten the upload a new one begins.
 */
import type { Readable } from 'node:stream';
import { type Digest, parseDigest, shortID } from '../core/digest/digest.js';
import { GantryError, isGantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { authorized, type Conversation } from './authorized.js';
import { backoffMs, isTransientStatus, RETRY_ATTEMPTS, retryAfterMs, type Sleep, sleep } from './backoff.js';
import { blobURL, uploadsURL } from './endpoint.js';
import type { HttpResponse } from './http.js';

/** Proxies before registries often refuse bodies of more than 100 MB; a piece that failed is sent again. */
const PIECE_BYTES = 64 * 2 ** 20;

export interface BlobContent {
  readonly digest: Digest;
  readonly size: number;
  /** The bytes [start, end). */
  open(start: number, end: number): Readable;
}

export interface UploadOptions extends Conversation {
  readonly blob: BlobContent;
  /** Bytes that the registry has. */
  readonly onProgress?: (sent: number) => void;
  readonly onRetry?: () => void;
  readonly pieceBytes?: number;
  readonly sleep?: Sleep;
}

/** The blob's size, when the repository has it. Throws as `authorized`. */
export async function findBlob(o: Conversation, digest: Digest): Promise<number | undefined> {
  try {
    const { headers } = await authorized(o, {
      url: blobURL(o.endpoint, o.repository, digest),
      what: `blob ${shortID(digest)}`,
      method: 'HEAD',
      limit: 0,
    });
    const size = Number(headers['content-length']);
    return Number.isSafeInteger(size) && headers['content-length'] !== undefined ? size : undefined;
  } catch (error) {
    if (isGantryError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** The first bytes of a blob that the repository has. */
export async function blobStart(o: Conversation, digest: Digest, count: number): Promise<Buffer> {
  const response = await authorized(o, {
    url: blobURL(o.endpoint, o.repository, digest),
    what: `blob ${shortID(digest)}`,
    headers: { range: `bytes=0-${count - 1}` },
    limit: count,
    cut: true,
  });
  return response.body;
}

/**
 * Has the registry take a blob over from another of its repositories. False where it does not, for whatever reason: the blob
 * is uploaded then.
 */
export async function mountBlob(o: Conversation, digest: Digest, from: string): Promise<boolean> {
  try {
    const { status } = await begin(o, digest, { mount: digest, from });
    return status === 201;
  } catch (error) {
    if (isGantryError(error, 'ERR_UNAUTHORIZED', 'ERR_DENIED', 'ERR_NOT_FOUND', 'ERR_REGISTRY')) return false;
    throw error;
  }
}

/** Resolves when the registry has the blob and has found its digest right. Throws as `authorized`. */
export async function uploadBlob(o: UploadOptions): Promise<void> {
  const { blob, pieceBytes = PIECE_BYTES, onProgress = () => {} } = o;
  let location: URL | undefined;
  let sent = 0;
  let best = 0;
  for (let failures = 0; ; ) {
    try {
      if (location === undefined) {
        location = locationOf(await begin(o, blob.digest));
        sent = 0;
      }
      while (blob.size - sent > pieceBytes || (sent > 0 && sent < blob.size)) {
        const end = Math.min(blob.size, sent + pieceBytes);
        location = locationOf(await put(o, location, 'PATCH', sent, end), location);
        sent = end;
        onProgress(sent);
      }
      await put(o, withDigest(location, blob.digest), 'PUT', sent, blob.size);
      onProgress(blob.size);
      return;
    } catch (error) {
      if (!isTransient(error, location !== undefined) || o.signal?.aborted) throw error;
      if (sent > best) failures = 0; // only attempts without progress count
      best = Math.max(best, sent);
      if (++failures >= RETRY_ATTEMPTS) throw error;
      o.onRetry?.();
      const told = retryAfterMs((error as GantryError).details.retryAfter as string | undefined, Date.now());
      await (o.sleep ?? sleep)(told ?? backoffMs(failures), o.signal);
      const state = location === undefined ? undefined : await uploaded(o, location);
      // It may have put the blob in its place, and only its answer was lost.
      if (state === undefined && (await findBlob(o, blob.digest)) === blob.size) return onProgress(blob.size);
      location = state?.location;
      sent = state?.offset ?? 0;
    }
  }
}

function begin(o: Conversation, digest: Digest, query: Record<string, string> = {}): Promise<HttpResponse> {
  const url = uploadsURL(o.endpoint, o.repository);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return authorized(o, {
    url,
    what: `upload of ${shortID(digest)}`,
    method: 'POST',
    limit: LIMITS.errorBodyBytes,
  });
}

function put(
  o: UploadOptions,
  url: URL,
  method: 'PUT' | 'PATCH',
  start: number,
  end: number,
): Promise<HttpResponse> {
  const { blob, onProgress = () => {} } = o;
  const range: Record<string, string> = method === 'PATCH' ? { 'content-range': `${start}-${end - 1}` } : {};
  const open = (): Readable => {
    let at = start;
    return blob.open(start, end).on('data', (bytes: Buffer) => {
      at += bytes.length;
      onProgress(at);
    });
  };
  return authorized(o, {
    url,
    what: `upload of ${shortID(blob.digest)}`,
    method,
    headers: { 'content-type': 'application/octet-stream', ...range },
    body: start === end ? '' : { length: end - start, open },
    limit: LIMITS.errorBodyBytes,
    attempts: 1,
  });
}

/** Where a broken upload stands; undefined when the registry does not know it any more. */
async function uploaded(
  o: UploadOptions,
  location: URL,
): Promise<{ readonly location: URL; readonly offset: number } | undefined> {
  try {
    const response = await authorized(o, {
      url: location,
      what: `upload of ${shortID(o.blob.digest)}`,
      limit: LIMITS.errorBodyBytes,
    });
    const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.range ?? '') ?? [];
    // "0-0" is one byte or none, by registry: begin anew costs nothing then.
    const offset = last === undefined || last === '0' ? 0 : Number(last) + 1;
    if (offset === 0 || offset > o.blob.size) return undefined;
    return { location: locationOf(response, location), offset };
  } catch (error) {
    if (isGantryError(error, 'ERR_CANCELED')) throw error;
    return undefined;
  }
}

const isTransient = (error: unknown, begun: boolean): boolean => {
  if (isGantryError(error, 'ERR_NETWORK', 'ERR_TIMEOUT')) return true;
  if (!(error instanceof GantryError)) return false;
  const { status } = error.details;
  // 404 and 416: the upload is not where we thought.
  return (
    typeof status === 'number' && (isTransientStatus(status) || (begun && (status === 404 || status === 416)))
  );
};

/** `fallback` where an answer leaves it out, which means that it is as it was. */
function locationOf(response: HttpResponse, fallback?: URL): URL {
  const { location } = response.headers;
  if (location !== undefined && URL.canParse(location, response.url.href)) {
    const url = new URL(location, response.url);
    const downgraded = response.url.protocol === 'https:' && url.protocol !== 'https:';
    if (/^https?:$/.test(url.protocol) && !downgraded) return url;
  } else if (fallback !== undefined) return fallback;
  throw new GantryError(
    'ERR_REGISTRY',
    `${response.url.host} accepted an upload and named no place for it: expected a Location header with a URL`,
  );
}

function withDigest(location: URL, digest: Digest): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

/** Takes a pushed manifest's digest from the answer, where there is one. Throws ERR_DIGEST_MISMATCH. */
export function checkPushed(response: HttpResponse, expected: Digest, what: string): void {
  const told = response.headers['docker-content-digest'];
  if (told === undefined || parseDigest(told, `${what}: Docker-Content-Digest`) === expected) return;
  throw new GantryError(
    'ERR_DIGEST_MISMATCH',
    `${what}: expected ${response.url.host} to store ${expected}, found ${told}`,
    { expected, found: told },
  );
}
