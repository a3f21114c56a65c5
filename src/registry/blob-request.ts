/**
 * One request for a blob at one endpoint, through its redirects and challenges, to the answer that has the bytes.
 *
 *   GET /v2/library/redis/blobs/sha256:… → 401 → token → GET → 307 Location: https://cdn.example/…?sig=… → 200
 *
 * Invariants: Authorization, the endpoint's own headers and its client certificate never leave the endpoint's origin;
 * https never becomes http; no error shows a redirect's query, which may be a signature.
 */
import type { SecureContext } from 'node:tls';
import type { Digest } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Authorizer } from './auth.js';
import { blobURL, type Endpoint, type TlsSettings } from './endpoint.js';
import type { ByteSink } from './http-body.js';
import { exchange } from './http-exchange.js';
import type { Head } from './http-head.js';
import { proxyFor } from './proxy.js';
import { displayURL, registryError } from './registry-error.js';

const MAX_REDIRECTS = 5;
const MAX_CHALLENGES = 2;

export interface BlobRequest {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly digest: Digest;
  /** The blob, for messages. */
  readonly what: string;
  readonly userAgent: string;
  /** "bytes=7-9"; undefined: all of it. */
  readonly range?: string | undefined;
  readonly authorizer: Authorizer;
  readonly contexts: Map<string, SecureContext>;
  readonly env: NodeJS.ProcessEnv;
  readonly buffer: Uint8Array;
  readonly stallMs: number;
  readonly tickMs: number;
  readonly signal: AbortSignal;
  /** Takes the head of a 200 or 206 and says where the body goes; undefined: the body is not wanted. */
  readonly accept: (head: Head, host: string) => ByteSink | undefined;
}

/** Resolves when the body is through. Throws as `exchange`, and by status (`registryError`) when refused. */
export async function requestBlob(o: BlobRequest): Promise<void> {
  let url = blobURL(o.endpoint, o.repository, o.digest);
  let home = true;
  let hops = 0;
  let challenges = 0;
  for (;;) {
    const secret = home ? await o.authorizer.header(o.endpoint, o.repository, o.signal) : undefined;
    const words: Uint8Array[] = [];
    const head = await send(o, url, home, secret, words);
    if (isSuccess(head)) return;
    const location = head.headers.get('location');
    const challenge = head.headers.get('www-authenticate');
    if (isRedirect(head) && location !== undefined) {
      if (++hops > MAX_REDIRECTS) throw badRedirect(o, url, `more than ${MAX_REDIRECTS} times`);
      const next = nextHop(o, url, location);
      home &&= next.origin === url.origin;
      url = next;
    } else if (head.status === 401 && home && challenge !== undefined && challenges++ < MAX_CHALLENGES) {
      const again = await o.authorizer.challenged(o.endpoint, o.repository, challenge, secret, o.signal);
      if (!again) throw refused(o, url, head, words);
    } else {
      throw refused(o, url, head, words);
    }
  }
}

const isSuccess = (head: Head): boolean => head.status === 200 || head.status === 206;
const isRedirect = (head: Head): boolean => [301, 302, 303, 307, 308].includes(head.status);

function send(
  o: BlobRequest,
  url: URL,
  home: boolean,
  secret: string | undefined,
  words: Uint8Array[],
): Promise<Head> {
  const { ca, ...own } = o.endpoint.tls;
  const tls: TlsSettings = { ...(home && own), ...(ca !== undefined && { ca }) };
  let kept = 0;
  const keep = (head: Head): ByteSink => {
    return (bytes, start, end) => {
      words.push(bytes.slice(start, end));
      kept += end - start;
      if (kept > LIMITS.errorBodyBytes) throw refused(o, url, head, words);
    };
  };
  return exchange({
    url,
    what: o.what,
    headers: {
      ...(home && o.endpoint.headers),
      'User-Agent': o.userAgent,
      'Accept-Encoding': 'identity',
      ...(secret !== undefined && { Authorization: secret }),
      ...(o.range !== undefined && { Range: o.range }),
    },
    trust: (host) => trust(o, host === url.host ? tls : {}),
    proxy: home ? o.endpoint.proxy : proxyFor(url, o.env),
    buffer: o.buffer,
    onHead: (head) => {
      if (isSuccess(head)) return o.accept(head, url.host);
      return isRedirect(head) ? undefined : keep(head);
    },
    connectMs: o.endpoint.connectTimeoutMs,
    stallMs: o.stallMs,
    tickMs: o.tickMs,
    signal: o.signal,
  });
}

async function trust(
  o: BlobRequest,
  settings: TlsSettings,
): Promise<{ context: SecureContext; skipVerify?: boolean }> {
  const { secureContext } = await import('./trust.js');
  const key = JSON.stringify(settings);
  const context = o.contexts.get(key) ?? secureContext(settings, o.env);
  o.contexts.set(key, context);
  return { context, ...(settings.skipVerify !== undefined && { skipVerify: settings.skipVerify }) };
}

function nextHop(o: BlobRequest, from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw badRedirect(o, from, 'to something that is no URL');
  const url = new URL(location, from);
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || from.protocol === 'https:')) {
    throw badRedirect(o, from, `from ${from.protocol}// to ${url.protocol}//, expected https`);
  }
  return url;
}

const badRedirect = (o: BlobRequest, from: URL, how: string): GantryError =>
  new GantryError('ERR_REGISTRY', `${o.what}: ${displayURL(from)} redirects ${how}`);

function refused(o: BlobRequest, url: URL, head: Head, body: readonly Uint8Array[]): GantryError {
  const range = head.headers.get('content-range');
  const facts = head.status === 416 ? ` (asked for ${o.range}, it has ${range ?? 'not said how many'})` : '';
  return registryError(`${o.what}${facts}`, url, {
    status: head.status,
    headers: Object.fromEntries(head.headers),
    body: Buffer.concat(body),
  });
}
