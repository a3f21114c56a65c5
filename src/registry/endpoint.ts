/**
 * Where a repository can be asked for, and with what. All of it is plain data that survives structured cloning, so
 * that a worker thread opens its own connection and renews its own token.
 *
 *   docker.io/library/redis → {base: "https://registry-1.docker.io/v2", host: "docker.io"}
 *   its mirror              → {base: "https://mirror.corp:5000/v2",     host: "mirror.corp:5000", query: "ns=docker.io"}
 *
 * Invariant: a credential or token is sent to the `host` it was found for and to no other. Never log an AuthState.
 */
import type { Digest } from '../core/digest/digest.js';

export interface TlsSettings {
  /** PEM certificates trusted beside the system's. */
  readonly ca?: readonly string[];
  /** PEM client certificate (with its chain) and key. */
  readonly cert?: string;
  readonly key?: string;
  readonly skipVerify?: boolean;
}

export interface Endpoint {
  /** "https://host[:port]/v2", or the path a hosts.toml gives; no slash at the end. */
  readonly base: string;
  /** Whose credentials apply: "host[:port]", "docker.io" for Docker Hub itself. */
  readonly host: string;
  /** The repository's name there, where registries.conf rewrites it. */
  readonly repository?: string;
  /** Appended to every request: "ns=docker.io" at a mirror. */
  readonly query?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
  /** Proxy URL, credentials included; undefined: direct. */
  readonly proxy?: string;
  readonly connectTimeoutMs: number;
  /** May it serve content by digest; may it say which digest a tag has. */
  readonly capabilities: { readonly pull: boolean; readonly resolve: boolean };
}

export type Credential =
  | {
      readonly kind: 'anonymous' /** why, when something was configured but failed */;
      readonly problem?: string;
    }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, exchanged at the realm. */
  | { readonly kind: 'identity'; readonly token: string }
  /** A bearer token for the registry itself. */
  | { readonly kind: 'registry'; readonly token: string };

export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch: threads do not share a monotonic clock's origin. */
  readonly renewAt: number;
  readonly expiresAt: number;
}

export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly realm: string;
  readonly service: string;
  readonly scope: string;
}

export interface AuthState {
  /** By Endpoint.host. */
  readonly credentials: ReadonlyMap<string, Credential>;
  /** The last challenge, by "host repository". */
  readonly challenges: ReadonlyMap<string, Challenge>;
  /** By "host realm service scope". */
  readonly tokens: ReadonlyMap<string, Token>;
}

export interface BlobSource {
  readonly endpoints: readonly Endpoint[];
  readonly repository: string;
  readonly auth: AuthState;
  readonly userAgent: string;
}

/** The repository's name as this endpoint knows it. */
export const repositoryAt = (endpoint: Endpoint, repository: string): string =>
  endpoint.repository ?? repository;

function resource(endpoint: Endpoint, repository: string, rest: string): URL {
  const query = endpoint.query === undefined ? '' : `?${endpoint.query}`;
  return new URL(`${endpoint.base}/${repositoryAt(endpoint, repository)}/${rest}${query}`);
}

export const blobURL = (endpoint: Endpoint, repository: string, digest: Digest): URL =>
  resource(endpoint, repository, `blobs/${digest}`);

/** Where uploads begin. */
export const uploadsURL = (endpoint: Endpoint, repository: string): URL =>
  resource(endpoint, repository, 'blobs/uploads/');

/** `reference` is a tag or a digest. */
export const manifestURL = (endpoint: Endpoint, repository: string, reference: string): URL =>
  resource(endpoint, repository, `manifests/${reference}`);
