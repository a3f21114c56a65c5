/** Signatures first; the body follows. */
import type { AuthState, Credential, Endpoint } from './endpoint.js';

export interface AuthorizerOptions {
  /** Finds the credential of a host when it is first challenged; without it only those in the state are known. */
  readonly lookup?: (host: string, repository: string) => Promise<Credential>;
  readonly userAgent?: string;
  readonly now?: () => number;
}

export class Authorizer {
  constructor(_state: AuthState, _options: AuthorizerOptions = {}) {}

  /** The Authorization header to send; a token past 80 % of its life is renewed first. */
  async header(_endpoint: Endpoint, _repository: string, _signal?: AbortSignal): Promise<string | undefined> {
    return undefined;
  }

  /**
   * Takes a 401's WWW-Authenticate. True: ask again with a new `header` (at most twice for one request). `refused`
   * is the Authorization header that was answered with 401, so that one renewal serves all who were refused.
   */
  async challenged(
    _endpoint: Endpoint,
    _repository: string,
    _wwwAuthenticate: string,
    _refused?: string,
    _signal?: AbortSignal,
  ): Promise<boolean> {
    return false;
  }

  state(): AuthState {
    return { credentials: new Map(), challenges: new Map(), tokens: new Map() };
  }
}
