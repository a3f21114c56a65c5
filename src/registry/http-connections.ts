/**
 * One request and the head of its answer, over kept connections, direct or through a proxy:
 *
 *   http          GET /v2/…                         https          TLS, then the same
 *   http, proxy   GET http://host/v2/… to the proxy https, proxy   CONNECT host:443 (tunnel.ts), then TLS inside
 *
 * On Node's own client: loading undici took 60 to 80 ms of CPU here, node:https 8, and a pull makes four requests.
 * Invariant: certificates and the decision not to verify one never serve two routes.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { Endpoint } from './endpoint.js';
import { hostnameOf, proxyFor, proxyLogin } from './proxy.js';
import { secureContext } from './trust.js';
import { openTunnel } from './tunnel.js';

const CONNECT_TIMEOUT_MS = 30_000;
/** Longest time without a byte. */
const STALL_MS = 30_000;
/** The same for the answer to a PUT: a registry in an object store copies a big blob to its place before it gives one. */
const STORED_MS = 600_000;

/** How to reach a host; an Endpoint is one. */
export type Route = Partial<Pick<Endpoint, 'tls' | 'proxy' | 'headers' | 'connectTimeoutMs'>>;

/** A body that is not held in memory; opened anew for each attempt. */
export interface RequestBody {
  readonly length: number;
  open(): Readable;
}

export interface Ask {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly route: Route;
  readonly body: string | RequestBody | undefined;
  readonly signal: AbortSignal | undefined;
}

interface Shared {
  readonly plain: Agent;
  readonly secure: SecureAgent;
  readonly context: SecureContext | undefined;
}

export class HttpConnections {
  readonly #env: NodeJS.ProcessEnv;
  readonly #shared = new Map<string, Shared>();

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** Rejects with the socket's error, ETIMEDOUT as its `code` when time is up, or what `openTunnel` throws. */
  async ask(o: Ask): Promise<IncomingMessage> {
    const { url, method, signal, route, body } = o;
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = route;
    const proxyText = route.proxy ?? proxyFor(url, this.#env);
    const proxy = proxyText === undefined ? undefined : new URL(proxyText);
    const secureURL = url.protocol === 'https:';
    const { plain, secure, context } = this.#share(route, secureURL || proxy?.protocol === 'https:');
    const length =
      body === undefined
        ? {}
        : { 'content-length': String(typeof body === 'string' ? Buffer.byteLength(body) : body.length) };
    const options = { method, headers: { ...o.headers, ...length }, ...(signal && { signal }) };
    const send = (request: ClientRequest) => exchange(request, body, connectTimeoutMs);
    if (proxy === undefined) {
      return send(
        secureURL
          ? secureRequest(url, { ...options, agent: secure })
          : plainRequest(url, { ...options, agent: plain }),
      );
    }
    if (secureURL) {
      const target = `${url.hostname}:${url.port || 443}`;
      const socket = await openTunnel({
        proxy,
        target,
        secureContext: context!,
        timeoutMs: connectTimeoutMs,
        signal,
      });
      const host = hostnameOf(url.host);
      const tls = { secureContext: context!, rejectUnauthorized: route.tls?.skipVerify !== true };
      const name = isIP(host) === 0 ? { servername: host } : { host };
      const createConnection = () => connect({ ...tls, ...name, socket });
      return send(secureRequest(url, { ...options, createConnection }));
    }
    const headers = { ...options.headers, ...proxyLogin(proxy), host: url.host };
    const through = { ...options, headers, path: url.href };
    const address = new URL(proxy.origin);
    return send(
      proxy.protocol === 'https:'
        ? secureRequest(address, { ...through, agent: new SecureAgent({ secureContext: context! }) })
        : plainRequest(address, { ...through, agent: plain }),
    );
  }

  /** Ends what is kept open. */
  close(): void {
    for (const { plain, secure } of this.#shared.values()) {
      plain.destroy();
      secure.destroy();
    }
    this.#shared.clear();
  }

  #share(route: Route, tls: boolean): Shared {
    const key = JSON.stringify([tls, route.tls]);
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const context = tls ? secureContext(route.tls ?? {}, this.#env) : undefined;
    const rejectUnauthorized = route.tls?.skipVerify !== true;
    const made: Shared = {
      plain: new Agent({ keepAlive: true }),
      secure: new SecureAgent({
        keepAlive: true,
        rejectUnauthorized,
        ...(context && { secureContext: context }),
      }),
      context,
    };
    this.#shared.set(key, made);
    return made;
  }
}

/** Sends the request; the answer's head, within the time to connect and then the longest time without a byte. */
function exchange(
  request: ClientRequest,
  body: string | RequestBody | undefined,
  connectMs: number,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const timeout = (why: string) => request.destroy(Object.assign(new Error(why), { code: 'ETIMEDOUT' }));
    const timer = setTimeout(() => timeout(`no connection within ${connectMs} ms`), connectMs);
    const connected = () => clearTimeout(timer);
    request.once('socket', (socket) => {
      const secured = request.protocol !== 'https:' || (socket as TLSSocket).getProtocol?.() != null;
      if (!socket.connecting && secured) connected();
      else socket.once(request.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
    });
    request.once('close', connected);
    let patience = STALL_MS;
    request.setTimeout(patience, () => timeout(`nothing was sent for ${patience} ms`));
    if (request.method === 'PUT') {
      request.once('finish', () => {
        patience = STORED_MS;
        request.setTimeout(patience);
      });
    }
    request.on('error', reject);
    request.once('response', resolve);
    if (typeof body !== 'object') {
      request.end(body);
      return;
    }
    const source = body.open();
    source.once('error', (error) => request.destroy(error));
    // A registry that refuses answers before it has read all; what it says is worth more than the broken pipe.
    request.once('close', () => source.destroy());
    source.pipe(request);
  });
}
