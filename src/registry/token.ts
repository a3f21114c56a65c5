/**
 * The token server's side of authentication (distribution-spec token and oauth2 flows):
 *
 *   GET  <realm>?service=…&scope=repository:a/b:pull   [Authorization: Basic …]
 *   POST <realm>   grant_type=refresh_token&service=…&client_id=…&scope=…&refresh_token=…
 *   → {"token" or "access_token": "…", "expires_in": 300}
 */
import { GantryError } from '../core/errors.js';
import type { Challenge, Credential, Endpoint, Token } from './endpoint.js';
import type { HttpRequest } from './http.js';

/** The spec's default and least life of a token, seconds. */
const LEAST_LIFE_S = 60;
const RENEW_AT = 0.8;

export const basicHeader = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** https, or http where the registry itself is configured for it. Throws ERR_REGISTRY. */
export function checkRealm(endpoint: Endpoint, realm: string): void {
  const scheme = URL.canParse(realm) ? new URL(realm).protocol : '';
  if (scheme === 'https:' || (scheme === 'http:' && endpoint.base.startsWith('http:'))) return;
  throw new GantryError(
    'ERR_REGISTRY',
    `registry ${endpoint.host} names a token server that must not be asked: expected an https URL, found ${JSON.stringify(realm.split('?', 1)[0]!.slice(0, 200))}`,
  );
}

type TokenRequest = Pick<HttpRequest, 'url' | 'method' | 'headers' | 'body' | 'route'>;

/** The registry's own authority is trusted for its token server too; its client certificate is for it alone. */
function realmRoute(endpoint: Endpoint, realm: URL): TokenRequest['route'] {
  if (realm.hostname === new URL(endpoint.base).hostname) return { tls: endpoint.tls };
  return endpoint.tls.ca === undefined ? {} : { tls: { ca: endpoint.tls.ca } };
}

/** The request for a token: OAuth2's refresh grant for an identity token, else GET with Basic where there is a login. */
export function tokenRequest(
  endpoint: Endpoint,
  challenge: Challenge,
  credential: Credential,
  clientId: string,
): TokenRequest {
  const url = new URL(challenge.realm);
  const { service, scope } = challenge;
  const route = realmRoute(endpoint, url);
  if (credential.kind === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      client_id: clientId,
      scope,
      refresh_token: credential.token,
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { url, route, method: 'POST', headers, body: form.toString() };
  }
  if (service !== '') url.searchParams.set('service', service);
  for (const part of scope.split(' ')) if (part !== '') url.searchParams.append('scope', part);
  if (credential.kind !== 'basic') return { url, route };
  url.searchParams.set('account', credential.username);
  return { url, route, headers: { authorization: basicHeader(credential.username, credential.password) } };
}

/** Throws ERR_REGISTRY. The cause of a JSON.parse error quotes its input, so none is attached. */
export function readToken(body: Buffer, what: string, now: number): Token {
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null = null;
  try {
    answer = JSON.parse(body.toString());
  } catch {}
  const value = answer?.token || answer?.access_token;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new GantryError('ERR_REGISTRY', `${what}: expected JSON with a token, found none`);
  }
  const expires = Number(answer?.expires_in);
  const life = 1000 * Math.max(Number.isFinite(expires) ? expires : 0, LEAST_LIFE_S);
  return { value, renewAt: now + life * RENEW_AT, expiresAt: now + life };
}
