/**
 * A registry's refusal as a GantryError. Error bodies look like
 *   {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":…}]}
 * Invariant: no message holds a query string, user info or token of a URL; what the registry says is cut and cleaned,
 * since it is shown on a terminal.
 */
import { type ErrorCode, GantryError } from '../core/errors.js';

export interface RegistryAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The first bytes of the body. */
  readonly body: Uint8Array;
}

/** A URL fit for messages: a redirect's query may be a signature. */
export const displayURL = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

function codeOf(status: number): ErrorCode {
  if (status === 401) return 'ERR_UNAUTHORIZED';
  if (status === 403) return 'ERR_DENIED';
  if (status === 404) return 'ERR_NOT_FOUND';
  if (status === 429) return 'ERR_RATE_LIMITED';
  return 'ERR_REGISTRY';
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences of a hostile registry must not reach the terminal
const CONTROL = /[\s\u0000-\u001f\u007f-\u009f]+/g;
const clean = (value: unknown): string =>
  typeof value === 'string' ? value.replace(CONTROL, ' ').trim().slice(0, 300) : '';

/** "MANIFEST_UNKNOWN: manifest unknown" of each error in the body; '' where there is none to read. */
function said(body: Uint8Array): string {
  try {
    const { errors } = JSON.parse(Buffer.from(body).toString()) as { errors?: unknown };
    if (!Array.isArray(errors)) return '';
    return (errors as ({ code?: unknown; message?: unknown } | null)[])
      .slice(0, 3)
      .map((error) => [clean(error?.code), clean(error?.message)].filter((part) => part !== '').join(': '))
      .filter((part) => part !== '')
      .join('; ');
  } catch {
    return '';
  }
}

/** `what` is the thing asked for ("manifest of redis:7"). */
export function registryError(what: string, url: URL, answer: RegistryAnswer): GantryError {
  const { status, headers } = answer;
  const registrySays = said(answer.body) || (status === 404 ? 'not found' : '');
  return new GantryError(
    codeOf(status),
    `${what}: ${url.host} answered ${status}${registrySays === '' ? '' : ` (${registrySays})`}`,
    {
      status,
      url: displayURL(url),
      ...(headers['ratelimit-remaining'] !== undefined && {
        rateLimitRemaining: clean(headers['ratelimit-remaining']),
      }),
      ...(headers['retry-after'] !== undefined && { retryAfter: clean(headers['retry-after']) }),
    },
  );
}

/** OpenSSL's answers to a plain HTTP server. */
const NOT_TLS = /wrong.version.number|packet.length.too.long|EPROTO/i;
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_/;

/** A failed connection as a GantryError: ERR_TIMEOUT or ERR_NETWORK, with a hint where TLS is the reason. */
export function networkError(what: string, url: URL, cause: unknown): GantryError {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const errno = typeof code === 'string' ? code : '';
  const why = clean(message) || errno || 'connection failed';
  const hint = UNTRUSTED.test(errno)
    ? `put the certificate of its authority at /etc/gantry/certs.d/${url.host}/ca.crt`
    : NOT_TLS.test(`${errno} ${why}`) && url.protocol === 'https:'
      ? `if it speaks plain HTTP and you trust the network: export GANTRY_INSECURE_REGISTRIES=${url.host}`
      : undefined;
  return new GantryError(
    errno === 'ETIMEDOUT' ? 'ERR_TIMEOUT' : 'ERR_NETWORK',
    `${what}: cannot reach ${displayURL(url)}: ${why}`,
    { errno, ...(hint !== undefined && { hint }) },
    { cause },
  );
}
