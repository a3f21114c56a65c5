/**
 * Which certificates a registry connection trusts: the system's bundle (Node alone knows only Mozilla's list, and a
 * company's own authority is in the system's), NODE_EXTRA_CA_CERTS, and the endpoint's own. Parsing the 140 of Debian
 * takes 24 ms, so a context is made once and passed to every connection of an endpoint.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { GantryError } from '../core/errors.js';
import type { TlsSettings } from './endpoint.js';

const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

function readable(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The roots to trust, PEM: SSL_CERT_FILE or the first system bundle that exists, else those inside Node. */
export function systemRoots(env: NodeJS.ProcessEnv): string[] {
  let system = readable(env.SSL_CERT_FILE);
  for (const path of SYSTEM_BUNDLES) system ??= readable(path);
  const extra = readable(env.NODE_EXTRA_CA_CERTS);
  return [...(system === undefined ? rootCertificates : [system]), ...(extra === undefined ? [] : [extra])];
}

/** For tls.connect's `secureContext`. Throws ERR_INVALID_ARGUMENT where a certificate or key cannot be used. */
export function secureContext(settings: TlsSettings, env: NodeJS.ProcessEnv): SecureContext {
  const { ca = [], cert, key } = settings;
  try {
    return createSecureContext({
      ca: [...systemRoots(env), ...ca],
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  } catch (cause) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      'tls: the configured certificates or key cannot be used, expected PEM',
      {},
      { cause },
    );
  }
}
