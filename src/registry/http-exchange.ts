/**
 * One GET over a socket of its own, read into one fixed buffer: the kernel (or TLS) writes each read to the start
 * of `buffer` through net's `onread`, and the body goes to a synchronous sink before the next read can happen, so
 * a slow sink is TCP's back-pressure and nothing is allocated per read.
 *
 *   http          GET /v2/… HTTP/1.1                       https          TLS, then the same
 *   http, proxy   GET http://host/v2/… to the proxy        https, proxy   CONNECT host:443, then TLS inside
 *
 * TLS and the tunnel are loaded by the first exchange that needs them: they take a thread 15 ms.
 *
 * Invariant: when the promise settles the socket is closed and no timer is left (a pool task leaves nothing behind).
 */
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type * as Tls from 'node:tls';
import { GantryError } from '../core/errors.js';
import { type BodyReader, type ByteSink, bodyReader, cut } from './http-body.js';
import { type Head, HeadReader } from './http-head.js';
import { proxyLogin } from './proxy.js';
import { networkError } from './registry-error.js';

export interface TlsTrust {
  readonly context: Tls.SecureContext;
  readonly skipVerify?: boolean | undefined;
}

export interface ExchangeOptions {
  readonly url: URL;
  /** The thing asked for, for messages: "blob 4f53cda18c2b". */
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Asked for `url.host` and, where it is reached by TLS, for the proxy. */
  readonly trust: (host: string) => Promise<TlsTrust>;
  /** Proxy URL, credentials included. */
  readonly proxy?: string;
  readonly buffer: Uint8Array;
  /** Chooses where the body goes; undefined: it is not wanted, the exchange ends here. What it throws ends it too. */
  readonly onHead: (head: Head) => ByteSink | undefined;
  /** Milliseconds for DNS, TCP, proxy and TLS together; then the longest time without a byte. */
  readonly connectMs: number;
  readonly stallMs: number;
  readonly tickMs: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves with the head once the body is complete. Rejects with what `onHead` or the sink threw, with the signal's
 * reason, ERR_NETWORK (reset, refused, cut short), ERR_TIMEOUT, or ERR_REGISTRY for what is not HTTP.
 */
export async function exchange(o: ExchangeOptions): Promise<Head> {
  o.signal.throwIfAborted();
  // what may throw comes before the first socket
  const request = requestText(o);
  const proxy = o.proxy === undefined ? undefined : new URL(o.proxy);
  const hop = proxy !== undefined && o.url.protocol === 'http:' ? proxy : o.url;
  const secure = hop.protocol === 'https:' ? await secureDial(hop, o) : undefined;
  const tunnel = proxy !== undefined && hop === o.url ? await tunnelThrough(proxy, o) : undefined;
  return new Promise<Head>((resolve, reject) => {
    const reader = new HeadReader();
    let body: BodyReader | undefined;
    let ended = false;
    let failure: { readonly error: unknown } | undefined;
    let connected = false;
    let deadline = performance.now() + o.connectMs;

    const finish = (error?: unknown): void => {
      if (ended) return;
      ended = true;
      if (error !== undefined) failure = { error };
      socket.destroy();
    };
    const cancel = (): void => finish(o.signal.reason);
    const onBytes = (count: number, bytes: Uint8Array): boolean => {
      if (ended) return false;
      try {
        let at = 0;
        if (body === undefined) {
          at = reader.push(bytes, 0, count);
          if (at >= 0) {
            const sink = o.onHead(reader.head!);
            if (sink === undefined) finish();
            else body = bodyReader(reader.head!, sink);
          }
        }
        if (body !== undefined) {
          if (at < count) body.push(bytes, at, count);
          if (body.complete) finish();
          // after the sink: its time is not the network's. While the head is incomplete the deadline stands,
          // or a server could drip header bytes for ever
          deadline = performance.now() + o.stallMs;
        }
      } catch (error) {
        finish(error);
      }
      return !ended;
    };

    const socket = openSocket(hop, secure, tunnel, o.buffer, onBytes);
    const timer = setInterval(() => {
      if (performance.now() > deadline) finish(timeout(o, connected));
    }, o.tickMs);
    o.signal.addEventListener('abort', cancel, { once: true });
    socket.on(secure ? 'secureConnect' : 'connect', () => {
      connected = true;
      deadline = performance.now() + o.stallMs;
      socket.write(request);
    });
    socket.on('error', (cause) => finish(networkError(o.what, o.url, cause)));
    socket.on('close', () => {
      clearInterval(timer);
      o.signal.removeEventListener('abort', cancel);
      if (!ended) {
        try {
          if (body === undefined) throw cut(`${o.url.host} closed the connection without a response`);
          body.closed();
        } catch (error) {
          failure = { error };
        }
      }
      if (failure === undefined) resolve(reader.head!);
      else reject(failure.error);
    });
  });
}

function openSocket(
  hop: URL,
  secure: SecureDial | undefined,
  tunnel: Duplex | undefined,
  buffer: Uint8Array,
  onBytes: (count: number, bytes: Uint8Array) => boolean,
): net.Socket {
  if (tunnel === undefined) {
    const address = { host: hostname(hop), port: portOf(hop), onread: { buffer, callback: onBytes } };
    return secure ? secure(address) : net.connect(address);
  }
  // tls has no `onread` over a socket that is already open: one copy per read, on this path alone
  if (secure === undefined) throw new GantryError('ERR_INTERNAL', 'a tunnel without TLS');
  return secure({ socket: tunnel }).on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const count = Math.min(buffer.length, chunk.length - at);
      buffer.set(chunk.subarray(at, at + count));
      at += count;
      if (!onBytes(count, buffer)) return;
    }
  });
}

/** CONNECT through the proxy. The socket has no reader yet. */
async function tunnelThrough(proxy: URL, o: ExchangeOptions): Promise<Duplex> {
  try {
    const { openTunnel } = await import('./tunnel.js');
    return await openTunnel({
      proxy,
      target: `${o.url.hostname}:${portOf(o.url)}`,
      secureContext: (await o.trust(proxy.host)).context,
      timeoutMs: o.connectMs,
      signal: o.signal,
    });
  } catch (cause) {
    o.signal.throwIfAborted();
    throw cause instanceof GantryError ? cause : networkError(`${o.what}: proxy`, proxy, cause);
  }
}

function requestText(o: ExchangeOptions): string {
  const absolute = o.proxy !== undefined && o.url.protocol === 'http:';
  const path = `${o.url.pathname}${o.url.search}`;
  const headers = {
    Host: o.url.host,
    ...o.headers,
    ...(absolute ? proxyLogin(new URL(o.proxy!)) : {}),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${oneLine(name, value)}\r\n`);
  return `GET ${absolute ? o.url.origin : ''}${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A value with a line break would add headers of its own to the request. */
function oneLine(name: string, value: string): string {
  if (/[\r\n\0]/.test(name + value)) {
    throw new GantryError('ERR_INVALID_ARGUMENT', `header ${JSON.stringify(name)} has a line break in it`);
  }
  return value;
}

const hostname = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

type SecureDial = (where: Tls.ConnectionOptions) => Tls.TLSSocket;

/** tls.connect with the trust for this hop: over an address or an open tunnel. */
async function secureDial(hop: URL, o: ExchangeOptions): Promise<SecureDial> {
  const { connect } = await import('node:tls');
  const name = hostname(hop);
  const { context, skipVerify } = await o.trust(hop.host);
  const options = {
    host: name,
    ...(net.isIP(name) === 0 && { servername: name }),
    secureContext: context,
    rejectUnauthorized: skipVerify !== true,
    ALPNProtocols: ['http/1.1'],
  };
  return (where) => connect({ ...options, ...where });
}

function timeout(o: ExchangeOptions, connected: boolean): GantryError {
  const why = connected
    ? `sent nothing for ${o.stallMs} ms`
    : `did not accept a connection within ${o.connectMs} ms`;
  return new GantryError('ERR_TIMEOUT', `${o.what}: ${o.url.host} ${why}`);
}
