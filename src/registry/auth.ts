/**
 * Answers a registry's challenges (distribution-spec token flow):
 *
 *   401 WWW-Authenticate: Bearer realm="https://auth.corp/token",service="reg",scope="repository:a/b:pull"
 *   → GET https://auth.corp/token?service=reg&scope=repository:a/b:pull   (+ Basic where there is a login)
 *   → {"token":"…","expires_in":300} → Authorization: Bearer …
 *
 * One Authorizer serves one repository and its mirrors, in any thread: its state is plain data. Invariants: a
 * credential is used only for the host it belongs to (at the realm which that host names), and in clear text only
 * where the registry itself is configured for clear text; neither credentials nor tokens reach an error.
 */
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type ParsedChallenge, parseChallenges } from './challenge.js';
import {
  type AuthState,
  type Challenge,
  type Credential,
  type Endpoint,
  repositoryAt,
  type Token,
} from './endpoint.js';
import type { HttpOptions } from './http.js';
import { basicHeader, checkRealm, readToken, tokenRequest } from './token.js';

export interface AuthorizerOptions extends HttpOptions {
  /** Finds the credential of a host when first needed; without it only those in the state are known. */
  readonly lookup?: (host: string, repository: string) => Promise<Credential>;
  /** What tokens are asked for where the registry leaves it open, and beside what it names: default `pull`. */
  readonly actions?: 'none' | 'pull' | 'pull,push';
}

export const emptyAuthState = (): AuthState => ({
  credentials: new Map(),
  challenges: new Map(),
  tokens: new Map(),
});

export class Authorizer {
  readonly #credentials: Map<string, Credential>;
  readonly #challenges: Map<string, Challenge>;
  readonly #tokens: Map<string, Token>;
  readonly #pending = new Map<string, Promise<Token>>();
  readonly #options: AuthorizerOptions;
  readonly #now: () => number;

  constructor(state: AuthState, options: AuthorizerOptions) {
    this.#credentials = new Map(state.credentials);
    this.#challenges = new Map(state.challenges);
    this.#tokens = new Map(state.tokens);
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * The Authorization header to send; undefined before the first challenge and for anonymous Basic. A token past 80 %
   * of its life is renewed first, and still used while it lasts when that fails.
   */
  async header(endpoint: Endpoint, repository: string, signal?: AbortSignal): Promise<string | undefined> {
    const challenge = this.#challenges.get(challengeKey(endpoint, repository));
    if (challenge === undefined) return undefined;
    const credential = await this.#credential(endpoint, repository);
    if (credential.kind === 'registry') return `Bearer ${credential.token}`;
    if (challenge.scheme === 'basic') {
      return credential.kind === 'basic' ? basicHeader(credential.username, credential.password) : undefined;
    }
    const known = this.#tokens.get(tokenKey(endpoint, challenge));
    if (known !== undefined && this.#now() < known.renewAt) return `Bearer ${known.value}`;
    try {
      return `Bearer ${(await this.#renew(endpoint, challenge, credential, signal)).value}`;
    } catch (error) {
      if (known === undefined || this.#now() >= known.expiresAt || signal?.aborted) throw error;
      return `Bearer ${known.value}`;
    }
  }

  /**
   * Takes a 401's WWW-Authenticate. True: ask again with a new `header` (at most twice for one request); false: there
   * is nothing better to send. `refused` is the Authorization header that was answered with 401, so that one renewal
   * serves all who were refused. Throws ERR_UNAUTHORIZED where the token server refuses, ERR_REGISTRY for a realm
   * that must not be asked, and what a request throws.
   */
  async challenged(
    endpoint: Endpoint,
    repository: string,
    wwwAuthenticate: string,
    refused?: string,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const challenge = this.#choose(endpoint, repository, parseChallenges(wwwAuthenticate));
    if (challenge === undefined) return false;
    this.#challenges.set(challengeKey(endpoint, repository), challenge);
    const known = this.#tokens.get(tokenKey(endpoint, challenge));
    if (known !== undefined && refused === `Bearer ${known.value}`) {
      this.#tokens.delete(tokenKey(endpoint, challenge));
    }
    const next = await this.header(endpoint, repository, signal);
    return next !== undefined && next !== refused;
  }

  /** Looks up the credentials of all `endpoints` now, for a state that goes where no lookup is possible. */
  async prepare(endpoints: readonly Endpoint[], repository: string): Promise<void> {
    for (const endpoint of endpoints) await this.#credential(endpoint, repository);
  }

  /** Why the endpoint's credential is missing although one is configured. */
  problem(endpoint: Endpoint): string | undefined {
    const credential = this.#credentials.get(endpoint.host);
    return credential?.kind === 'anonymous' ? credential.problem : undefined;
  }

  /** Plain data for another thread. Secret: never log it. */
  state(): AuthState {
    return {
      credentials: new Map(this.#credentials),
      challenges: new Map(this.#challenges),
      tokens: new Map(this.#tokens),
    };
  }

  async #credential(endpoint: Endpoint, repository: string): Promise<Credential> {
    const known = this.#credentials.get(endpoint.host);
    if (known !== undefined) return known;
    const found = (await this.#options.lookup?.(endpoint.host, repositoryAt(endpoint, repository))) ?? {
      kind: 'anonymous',
    };
    this.#credentials.set(endpoint.host, found);
    return found;
  }

  /** Bearer before Basic, as the registry's own preference is not told by the order. */
  #choose(
    endpoint: Endpoint,
    repository: string,
    challenges: readonly ParsedChallenge[],
  ): Challenge | undefined {
    for (const { scheme, parameters } of challenges) {
      const realm = parameters.get('realm');
      if (scheme !== 'bearer' || realm === undefined) continue;
      checkRealm(endpoint, realm);
      return {
        scheme: 'bearer',
        realm,
        service: parameters.get('service') ?? '',
        scope: this.#scope(repositoryAt(endpoint, repository), parameters.get('scope') ?? ''),
      };
    }
    const hasBasic = challenges.some(({ scheme }) => scheme === 'basic');
    return hasBasic ? { scheme: 'basic', realm: '', service: '', scope: '' } : undefined;
  }

  /** A push asks for its token at the first challenge, which is for a read: one token serves all of it. */
  #scope(name: string, told: string): string {
    const { actions = 'pull' } = this.#options;
    if (actions === 'none') return told;
    const own = `repository:${name}:`;
    const others = told.split(' ').filter((scope) => scope !== '' && !scope.startsWith(own));
    return actions === 'pull' && told !== '' ? told : [`${own}${actions}`, ...others].join(' ');
  }

  #renew(
    endpoint: Endpoint,
    challenge: Challenge,
    credential: Credential,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const key = tokenKey(endpoint, challenge);
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#fetchToken(endpoint, challenge, credential, signal)
        .then((token) => {
          this.#tokens.set(key, token);
          return token;
        })
        .finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #fetchToken(
    endpoint: Endpoint,
    challenge: Challenge,
    credential: Credential,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    // Loaded here: a thread that is given a token that lasts never needs it.
    const { HttpClient } = await import('./http.js');
    const http = new HttpClient(this.#options);
    try {
      const what = `token for ${challenge.scope} of ${endpoint.host}`;
      const request = tokenRequest(endpoint, challenge, credential, this.#options.userAgent);
      const response = await http.fetch({ ...request, what, limit: LIMITS.tokenBytes, signal });
      return readToken(response.body, what, this.#now());
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
      const refused =
        error.code === 'ERR_UNAUTHORIZED' || error.code === 'ERR_DENIED' || error.details.status === 400;
      throw refused ? tokenRefused(endpoint, credential, error) : error;
    } finally {
      http.close();
    }
  }
}

const challengeKey = (endpoint: Endpoint, repository: string): string =>
  `${endpoint.host} ${repositoryAt(endpoint, repository)}`;

const tokenKey = (endpoint: Endpoint, challenge: Challenge): string =>
  [endpoint.host, challenge.realm, challenge.service, challenge.scope].join(' ');

function tokenRefused(endpoint: Endpoint, credential: Credential, cause: GantryError): GantryError {
  const who = credential.kind === 'anonymous' ? 'anonymous access' : `the stored login for ${endpoint.host}`;
  const problem = credential.kind === 'anonymous' ? credential.problem : undefined;
  return new GantryError(
    'ERR_UNAUTHORIZED',
    `the token server of ${endpoint.host} refused ${who}${problem === undefined ? '' : ` (${problem})`}`,
    { hint: `gantry login ${endpoint.host}` },
    { cause },
  );
}
