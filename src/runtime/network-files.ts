/**
 * /etc/hostname, /etc/hosts and /etc/resolv.conf of a container: files in `containers/<id>/`, bind mounted. With the
 * host's network a container has the host's hosts and resolv.conf; with none it has loopback names alone. On a bridge
 * it finds itself under its address, and name servers that it can reach: one on the host's loopback is not there.
 * `--dns`, `--dns-search` and `--dns-option` each replace the lines of their kind.
 * One in the network of another has that one's files.
 */
import { closeSync, fchmodSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HOST_GATEWAY } from './flags/name-resolution.js';
import { networkMode } from './network-mode.js';

const LOOPBACK = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export interface NetworkFiles {
  readonly hostname: string;
  readonly domainname?: string;
  readonly network: string;
  /** `name:address` */
  readonly extraHosts: readonly string[];
  readonly dns?: ResolverSettings;
  /** On bridges. */
  readonly addresses?: readonly string[];
  /** Where the host is found, for `host-gateway`; such a name is left out without it. */
  readonly gateway?: string;
  /** The directory of the host's own files; /etc but for tests. */
  readonly hostEtc?: string;
  /** The name servers behind systemd-resolved's local one. */
  readonly upstream?: string;
}

export interface ResolverSettings {
  readonly servers: readonly string[];
  /** A lone dot is none. */
  readonly search: readonly string[];
  readonly options: readonly string[];
}

const RESOLVED = '/run/systemd/resolve/resolv.conf';
const FILES = ['hostname', 'hosts', 'resolv.conf'] as const;

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** What a container calls itself in its hosts file. */
export const ownNames = (hostname: string, domainname?: string): string =>
  domainname ? `${hostname}.${domainname} ${hostname}` : hostname;

/** The three texts. */
export function networkTexts(options: NetworkFiles): Readonly<Record<(typeof FILES)[number], string>> {
  const etc = options.hostEtc ?? '/etc';
  const host = networkMode(options.network).kind === 'host';
  const gateway = host ? '127.0.0.1' : options.gateway;
  const extra = options.extraHosts.map((entry) => {
    const at = entry.indexOf(':');
    const asked = entry.slice(at + 1);
    const found = asked === HOST_GATEWAY ? gateway : asked;
    return found === undefined ? '' : `${found}\t${entry.slice(0, at)}\n`;
  });
  const hosts = host ? text(join(etc, 'hosts')) : LOOPBACK;
  const { addresses = [], hostname, domainname, dns } = options;
  const resolvConf = text(join(etc, 'resolv.conf'));
  const own = addresses.map((address) => `${address}\t${ownNames(hostname, domainname)}\n`).join('');
  const found =
    addresses.length === 0
      ? resolvConf
      : reachable(resolvConf) || reachable(text(options.upstream ?? RESOLVED)) || resolvConf;
  return {
    hostname: `${options.hostname}\n`,
    hosts: `${hosts.endsWith('\n') || hosts === '' ? hosts : `${hosts}\n`}${own}${extra.join('')}`,
    'resolv.conf': dns === undefined ? found : resolver(found, dns),
  };
}

/** What was asked for in place of the lines of its kind. */
function resolver(resolvConf: string, { servers, search, options }: ResolverSettings): string {
  const domains = search.filter((domain) => domain !== '.');
  const own = [
    ...servers.map((address) => `nameserver ${address}`),
    ...(domains.length === 0 ? [] : [`search ${domains.join(' ')}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  const replaced = [
    ...(servers.length === 0 ? [] : ['nameserver']),
    ...(search.length === 0 ? [] : ['search', 'domain']),
    ...(options.length === 0 ? [] : ['options']),
  ];
  if (replaced.length === 0) return resolvConf;
  const kept = resolvConf.split('\n').filter((line) => !replaced.includes(line.trim().split(/\s/)[0]!));
  return [...kept.filter(Boolean), ...own, ''].join('\n');
}

/** Without name servers on loopback; empty when no other is left. */
function reachable(resolvConf: string): string {
  const lines = resolvConf.split('\n').filter((line) => !/^\s*nameserver\s+(127\.|::1)/.test(line));
  return lines.some((line) => /^\s*nameserver\s/.test(line)) ? lines.join('\n') : '';
}

/**
 * Writes them, readable by every user of the container: in place, because it may have them bind mounted already. Nobody else
 * reads them, and each start writes them anew.
 */
export function writeNetworkFiles(directory: string, options: NetworkFiles): void {
  const texts = networkTexts(options);
  for (const name of FILES) {
    const fd = openSync(join(directory, name), 'w', 0o644);
    try {
      fchmodSync(fd, 0o644); // the umask does not count
      writeSync(fd, texts[name]);
    } finally {
      closeSync(fd);
    }
  }
}
