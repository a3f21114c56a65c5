/**
 * The control-plane request: manifests, configs, tokens. Small bodies, read whole under a bound. Layers do not come
 * through here (blob-stream.ts).
 *
 * Redirects are followed by hand, since what may be sent depends on where it goes: another origin gets no
 * Authorization, no configured header and no client certificate, and https never becomes http.
 */
import type { Dispatcher } from 'undici';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { backoffMs, isTransientStatus, RETRY_ATTEMPTS, retryAfterMs, type Sleep, sleep } from './backoff.js';
import type { Endpoint, TlsSettings } from './endpoint.js';
import { proxyFor } from './proxy.js';
import { displayURL, networkError, type RegistryAnswer, registryError } from './registry-error.js';
import { secureContext } from './trust.js';

const MAX_REDIRECTS = 5;
const HEADERS_TIMEOUT_MS = 30_000;
const BODY_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 30_000;
/** Failures of a connection that may be over in a second; a wrong name or certificate will not. */
const TRANSIENT = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** How to reach a host; an Endpoint is one. */
export type Route = Partial<Pick<Endpoint, 'tls' | 'proxy' | 'headers' | 'connectTimeoutMs'>>;

export interface HttpRequest {
  readonly url: URL;
  /** What is asked for, for messages: "manifest of redis:7". */
  readonly what: string;
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly route?: Route;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bytes; a longer body is ERR_REGISTRY. */
  readonly limit: number;
  /** Requests in all when the failure is transient. */
  readonly attempts?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse extends RegistryAnswer {
  readonly body: Buffer;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

export interface HttpOptions {
  readonly userAgent: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly sleep?: Sleep;
  readonly now?: () => number;
}

function nextHop(request: HttpRequest, from: URL, location: string): HttpRequest {
  const refuse = (why: string) =>
    new GantryError('ERR_REGISTRY', `${request.what}: ${displayURL(from)} redirects ${why}`);
  if (!URL.canParse(location, from.href)) throw refuse('to something that is no URL');
  const url = new URL(location, from);
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || from.protocol === 'https:')) {
    throw refuse(`from ${from.protocol}// to ${url.protocol}//, expected https`);
  }
  url.username = '';
  url.password = '';
  if (url.origin === from.origin) return { ...request, url };
  const { authorization: _, ...headers } = request.headers ?? {};
  const { ca } = request.route?.tls ?? {};
  return { ...request, url, headers, route: ca === undefined ? {} : { tls: { ca } } };
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([key, value]) => [key, Array.isArray(value) ? value.join(', ') : value]),
  );
}

export class HttpClient {
  readonly #userAgent: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #sleep: Sleep;
  readonly #now: () => number;
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();

  constructor(options: HttpOptions) {
    this.#userAgent = options.userAgent;
    this.#env = options.env ?? process.env;
    this.#sleep = options.sleep ?? sleep;
    this.#now = options.now ?? Date.now;
  }

  /**
   * The answer, whatever its status, once redirects are followed and transient failures retried. Throws ERR_NETWORK,
   * ERR_TIMEOUT, ERR_CANCELED, and ERR_REGISTRY for a bad redirect or a body over the limit.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const attempts = request.attempts ?? RETRY_ATTEMPTS;
    for (let attempt = 0; ; attempt++) {
      const last = attempt + 1 >= attempts;
      let wait = backoffMs(attempt);
      try {
        const response = await this.#follow(request);
        if (last || !isTransientStatus(response.status)) return response;
        wait = retryAfterMs(response.headers['retry-after'], this.#now()) ?? wait;
      } catch (error) {
        if (last || !(error instanceof GantryError) || !TRANSIENT.has(String(error.details.errno)))
          throw error;
      }
      try {
        await this.#sleep(wait, request.signal);
      } catch (cause) {
        throw request.signal?.aborted ? canceled(request) : cause;
      }
    }
  }

  /** As `send`, but only 2xx is an answer: others throw by status (`registryError`). */
  async fetch(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.send(request);
    if (response.status < 200 || response.status > 299) {
      throw registryError(request.what, response.url, response);
    }
    return response;
  }

  /** Closes kept connections; the event loop is free to end. */
  async close(): Promise<void> {
    const made = await Promise.allSettled(this.#dispatchers.values());
    this.#dispatchers.clear();
    for (const one of made) if (one.status === 'fulfilled') await one.value.destroy();
  }

  async #follow(first: HttpRequest): Promise<HttpResponse> {
    let request = first;
    for (let hops = 0; ; hops++) {
      const response = await this.#once(request);
      const location = response.headers.location;
      if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response;
      if (request.method === 'POST') return response;
      if (hops === MAX_REDIRECTS) {
        throw new GantryError(
          'ERR_REGISTRY',
          `${first.what}: ${displayURL(first.url)} redirects more than ${MAX_REDIRECTS} times`,
        );
      }
      request = nextHop(request, request.url, location);
    }
  }

  async #once(request: HttpRequest): Promise<HttpResponse> {
    const { url, method = 'GET', signal, body } = request;
    try {
      const { request: send } = await import('undici');
      const response = await send(url, {
        method,
        dispatcher: await this.#dispatcher(url, request.route ?? {}),
        headers: {
          ...request.route?.headers,
          'user-agent': this.#userAgent,
          'accept-encoding': 'identity',
          ...request.headers,
        },
        headersTimeout: HEADERS_TIMEOUT_MS,
        bodyTimeout: BODY_TIMEOUT_MS,
        ...(body !== undefined && { body }),
        ...(signal && { signal }),
      });
      const refused = response.statusCode < 200 || response.statusCode > 299;
      return {
        status: response.statusCode,
        headers: flatten(response.headers),
        body: await readBody(request, response, refused ? LIMITS.errorBodyBytes : request.limit, refused),
        url,
      };
    } catch (cause) {
      if (signal?.aborted) throw canceled(request);
      throw cause instanceof GantryError ? cause : networkError(request.what, url, cause);
    }
  }

  #dispatcher(url: URL, route: Route): Promise<Dispatcher> {
    const proxy = route.proxy ?? proxyFor(url, this.#env);
    const key = JSON.stringify([url.protocol, proxy, route.tls, route.connectTimeoutMs]);
    let dispatcher = this.#dispatchers.get(key);
    if (dispatcher === undefined) {
      dispatcher = this.#connect(url.protocol === 'https:', proxy, route.tls ?? {}, route.connectTimeoutMs);
      this.#dispatchers.set(key, dispatcher);
    }
    return dispatcher;
  }

  async #connect(
    secure: boolean,
    proxy: string | undefined,
    settings: TlsSettings,
    timeout = CONNECT_TIMEOUT_MS,
  ): Promise<Dispatcher> {
    const { Agent, ProxyAgent } = await import('undici');
    const tls = secure && {
      secureContext: secureContext(settings, this.#env),
      rejectUnauthorized: settings.skipVerify !== true,
    };
    if (proxy === undefined) return new Agent({ connect: { timeout, ...tls } });
    const { username, password } = new URL(proxy);
    const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return new ProxyAgent({
      uri: proxy,
      proxyTunnel: secure,
      connect: { timeout },
      ...(tls && { requestTls: tls }),
      ...(username !== '' && { token: `Basic ${Buffer.from(user).toString('base64')}` }),
    });
  }
}

const canceled = (request: HttpRequest): GantryError =>
  new GantryError('ERR_CANCELED', `${request.what}: canceled`);

/** Reads at most `limit` bytes; a longer body is cut where only its beginning matters, else refused. */
async function readBody(
  request: HttpRequest,
  response: Dispatcher.ResponseData,
  limit: number,
  cut: boolean,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    chunks.push(chunk);
    if (size <= limit) continue;
    if (cut) break;
    throw new GantryError(
      'ERR_REGISTRY',
      `${request.what}: ${displayURL(request.url)} sends more than the ${limit} bytes allowed`,
    );
  }
  return Buffer.concat(chunks).subarray(0, limit);
}
