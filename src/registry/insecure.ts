/**
 * Which registries may be spoken to in clear text: loopback and those configured, as dockerd's insecure-registries
 * ("reg.corp:5000", "10.0.0.0/8"). dockerd tries HTTPS first and then HTTP on every request; here one TLS handshake
 * for a host and process finds out which it is.
 */
import { connect } from 'node:tls';
import { hostnameOf, inBlock, isLoopback } from './proxy.js';

const PROBE_TIMEOUT_MS = 3000;

export class InsecureHosts {
  readonly #configured: readonly string[];
  readonly #schemes = new Map<string, Promise<'https' | 'http'>>();

  /** `list`: "reg.corp:5000,10.0.0.0/8" */
  constructor(list = '') {
    this.#configured = list
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((entry) => entry !== '');
  }

  has(host: string): boolean {
    const name = hostnameOf(host);
    return (
      isLoopback(host) ||
      this.#configured.some((entry) =>
        entry.includes('/') ? inBlock(name, entry) : entry === host.toLowerCase() || entry === name,
      )
    );
  }

  /** What an insecure host ("name[:port]") speaks. */
  scheme(host: string): Promise<'https' | 'http'> {
    const known = this.#schemes.get(host) ?? probe(host);
    this.#schemes.set(host, known);
    return known;
  }
}

function probe(host: string): Promise<'https' | 'http'> {
  const { port } = new URL(`http://${host}`);
  return new Promise((resolve) => {
    // The certificate is not looked at: this asks only whether TLS is spoken, and sends nothing.
    const socket = connect({
      host: hostnameOf(host),
      port: Number(port) || (/:80$/.test(host) ? 80 : 443),
      rejectUnauthorized: false,
    });
    const end = (scheme: 'https' | 'http'): void => {
      socket.destroy();
      resolve(scheme);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end('http'));
    socket.once('secureConnect', () => end('https'));
    socket.once('error', () => end('http'));
    socket.once('close', () => end('http'));
  });
}
