/**
 * The proxy for a URL from HTTPS_PROXY, HTTP_PROXY and NO_PROXY (curl's and Go's conventions; lower case wins).
 * NO_PROXY holds hosts, suffixes (".corp", "corp", "*.corp"), "host:port", addresses, CIDR blocks, or "*". Loopback is
 * never proxied.
 */
import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** "[::1]:5000" → "::1"; "Host:80" → "host". */
export function hostnameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host);
  return (bracketed?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase();
}

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Is `host` ("name[:port]") this machine by name or address. */
export function isLoopback(host: string): boolean {
  const hostname = hostnameOf(host);
  return hostname === 'localhost' || (isIP(hostname) !== 0 && LOOPBACK.check(hostname, family(hostname)));
}

/** Is the address in the block "10.0.0.0/8". */
export function inBlock(address: string, block: string): boolean {
  const [network, bits] = block.split('/') as [string, string?];
  if (isIP(address) === 0 || isIP(network) !== isIP(address) || !/^\d{1,3}$/.test(bits ?? '')) return false;
  if (Number(bits) > (isIP(network) === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family(network));
  return list.check(address, family(address));
}

function excluded(url: URL, entry: string): boolean {
  const hostname = hostnameOf(url.host);
  if (entry === '*') return true;
  if (entry.includes('/')) return inBlock(hostname, entry);
  const port = /(?<=[^:]):(\d+)$/.exec(entry)?.[1];
  if (port !== undefined && port !== (url.port || (url.protocol === 'https:' ? '443' : '80'))) return false;
  const domain = (port === undefined ? entry : entry.slice(0, -port.length - 1)).replace(/^\*?\./, '');
  const plain = hostnameOf(domain.includes('::') && !domain.startsWith('[') ? `[${domain}]` : domain);
  return hostname === plain || hostname.endsWith(`.${plain}`);
}

/** The proxy's URL, or undefined to go direct. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): string | undefined {
  if (isLoopback(url.host)) return undefined;
  const read = (key: string) => env[key] || env[key.toUpperCase()] || '';
  const entries = read('no_proxy')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
  if (entries.some((entry) => excluded(url, entry))) return undefined;
  const proxy = read(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy');
  if (proxy === '') return undefined;
  return /^[a-z0-9+.-]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** The Proxy-Authorization of a proxy's URL; empty where it has no login. */
export function proxyLogin(proxy: URL): Record<string, string> {
  if (proxy.username === '' && proxy.password === '') return {};
  const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}
