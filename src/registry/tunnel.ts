/**
 * A connection through an HTTP proxy (RFC 9110 §9.3.6): "CONNECT quay.io:443" to the proxy, 200, and from there on the
 * socket is the registry's. The proxy's login is in its URL and goes to it alone.
 */
import { request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { GantryError } from '../core/errors.js';
import { proxyLogin } from './proxy.js';

export interface TunnelOptions {
  readonly proxy: URL;
  /** "host:port" */
  readonly target: string;
  /** For a proxy that is itself spoken to by https. */
  readonly secureContext: SecureContext;
  /** Milliseconds for all of it. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Resolves with the open tunnel. Rejects with ERR_NETWORK when the proxy refuses, else with the socket's error. */
export function openTunnel(o: TunnelOptions): Promise<Duplex> {
  const { proxy, target, secureContext } = o;
  return new Promise((resolve, reject) => {
    const options = {
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxyLogin(proxy) },
      ...(o.signal && { signal: o.signal }),
    };
    // The URL without its login, which Node would send as Authorization.
    const address = new URL(proxy.origin);
    const request =
      proxy.protocol === 'https:'
        ? secureRequest(address, { ...options, agent: new SecureAgent({ secureContext }) })
        : plainRequest(address, { ...options, agent: false });
    const timer = setTimeout(() => {
      request.destroy(Object.assign(new Error(`proxy ${proxy.host} does not answer`), { code: 'ETIMEDOUT' }));
    }, o.timeoutMs);
    request.once('close', () => clearTimeout(timer));
    const refuse = (status: number | undefined): void => {
      request.destroy();
      reject(
        new GantryError(
          'ERR_NETWORK',
          `proxy ${proxy.host} answered ${status} to CONNECT ${target}, expected 200`,
          { status },
        ),
      );
    };
    request.once('connect', ({ statusCode }, socket) => {
      clearTimeout(timer);
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      refuse(statusCode);
    });
    request.once('response', ({ statusCode }) => refuse(statusCode));
    request.once('error', reject);
    request.end();
  });
}
