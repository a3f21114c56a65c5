/**
 * The control-plane request: manifests, configs, tokens, and uploads. Answers are small, read whole under a bound: layers
 * do not come through here (blob-stream.ts).
 *
 * Redirects are followed by hand, since what may be sent depends on where it goes: another origin gets no
 * Authorization, no configured header and no client certificate, and https never becomes http.
 */
import type { IncomingMessage } from 'node:http';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import {
  backoffMs,
  isTransientErrno,
  isTransientStatus,
  RETRY_ATTEMPTS,
  retryAfterMs,
  type Sleep,
  sleep,
} from './backoff.js';
import { HttpConnections, type RequestBody, type Route } from './http-connections.js';
import { displayURL, networkError, type RegistryAnswer, registryError } from './registry-error.js';

const MAX_REDIRECTS = 5;

export interface HttpRequest {
  readonly url: URL;
  /** What is asked for, for messages: "manifest of redis:7". */
  readonly what: string;
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly route?: Route;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | RequestBody;
  /** Bytes; a longer body is ERR_REGISTRY. */
  readonly limit: number;
  /** Only the first `limit` bytes are wanted; a longer body is no error. */
  readonly cut?: boolean;
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

function flatten(headers: IncomingMessage['headers']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([key, value]) => [key, Array.isArray(value) ? value.join(', ') : value]),
  );
}

export class HttpClient {
  readonly #userAgent: string;
  readonly #sleep: Sleep;
  readonly #now: () => number;
  readonly #connections: HttpConnections;

  constructor(options: HttpOptions) {
    this.#userAgent = options.userAgent;
    this.#connections = new HttpConnections(options.env ?? process.env);
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
        if (last || !(error instanceof GantryError) || !isTransientErrno(error.details.errno)) throw error;
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

  /** Closes kept connections. */
  close(): void {
    this.#connections.close();
  }

  async #follow(first: HttpRequest): Promise<HttpResponse> {
    let request = first;
    for (let hops = 0; ; hops++) {
      const response = await this.#once(request);
      const location = response.headers.location;
      if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response;
      if (request.method !== undefined && request.method !== 'GET' && request.method !== 'HEAD')
        return response;
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
    const { url, method = 'GET', route = {}, body: sent, signal } = request;
    try {
      signal?.throwIfAborted();
      const headers = {
        ...route.headers,
        'user-agent': this.#userAgent,
        'accept-encoding': 'identity',
        ...request.headers,
      };
      const response = await this.#connections.ask({ url, method, headers, route, body: sent, signal });
      const status = response.statusCode ?? 0;
      const refused = status < 200 || status > 299;
      const body = await readBody(
        request,
        response,
        refused ? LIMITS.errorBodyBytes : request.limit,
        refused || request.cut === true,
      );
      return { status, headers: flatten(response.headers), body, url };
    } catch (cause) {
      if (signal?.aborted) throw canceled(request);
      throw cause instanceof GantryError ? cause : networkError(request.what, url, cause);
    }
  }
}

const canceled = (request: HttpRequest): GantryError =>
  new GantryError('ERR_CANCELED', `${request.what}: canceled`);

/** Reads at most `limit` bytes; a longer body is cut where only its beginning matters, else refused. */
async function readBody(
  request: HttpRequest,
  response: IncomingMessage,
  limit: number,
  cut: boolean,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
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
