/** A control-plane request with its login: challenges are answered, and only 2xx is an answer. */
import { GantryError, isGantryError } from '../core/errors.js';
import type { Authorizer } from './auth.js';
import type { Endpoint } from './endpoint.js';
import type { HttpClient, HttpRequest, HttpResponse } from './http.js';
import { registryError } from './registry-error.js';

const MAX_CHALLENGES = 2;

export interface Conversation {
  readonly http: HttpClient;
  readonly authorizer: Authorizer;
  readonly endpoint: Endpoint;
  /** As the reference names it; the endpoint may know it by another name. */
  readonly repository: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks; throws what `HttpClient.send` throws, and by status (`registryError`). An upload's location may be another
 * host's: it gets neither login nor configured headers nor client certificate.
 */
export async function authorized(o: Conversation, request: HttpRequest): Promise<HttpResponse> {
  const { http, authorizer, endpoint, repository, signal } = o;
  const home = request.url.origin === new URL(endpoint.base).origin;
  const { ca } = endpoint.tls;
  const route = home ? endpoint : { tls: ca === undefined ? {} : { ca } };
  for (let challenges = 0; ; challenges++) {
    const authorization = home ? await authorizer.header(endpoint, repository, signal) : undefined;
    const response = await http.send({
      ...request,
      route,
      headers: { ...request.headers, ...(authorization !== undefined && { authorization }) },
      signal,
    });
    if (response.status >= 200 && response.status <= 299) return response;
    const challenge = response.headers['www-authenticate'];
    const retry =
      response.status === 401 &&
      home &&
      challenge !== undefined &&
      challenges < MAX_CHALLENGES &&
      response.url.origin === request.url.origin &&
      (await authorizer.challenged(endpoint, repository, challenge, authorization, signal));
    if (retry) continue;
    throw refusal(
      registryError(request.what, response.url, response),
      endpoint,
      authorizer.problem(endpoint),
    );
  }
}

/** Says what to do about a 401 or 403, and which login was not sent because it could not be read. */
function refusal(error: GantryError, endpoint: Endpoint, problem: string | undefined): GantryError {
  if (!isGantryError(error, 'ERR_UNAUTHORIZED', 'ERR_DENIED')) return error;
  const message = problem === undefined ? error.message : `${error.message}; no login was sent: ${problem}`;
  return new GantryError(error.code, message, { ...error.details, hint: `gantry login ${endpoint.host}` });
}
