/**
 * /etc/hostname, /etc/hosts and /etc/resolv.conf of a container: files in `containers/<id>/`, bind mounted. With the
 * host's network a container has the host's hosts and resolv.conf; with none it has loopback names alone. On a bridge
 * it finds itself under its address, and name servers that it can reach: one on the host's loopback is not there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';

const LOOPBACK = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export interface NetworkFiles {
  readonly hostname: string;
  readonly network: string;
  /** `name:address` */
  readonly extraHosts: readonly string[];
  /** On a bridge. */
  readonly address?: string;
  /** The directory of the host's own files; /etc but for tests. */
  readonly hostEtc?: string;
  /** The name servers behind systemd-resolved's local one. */
  readonly upstream?: string;
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

/** The three texts. */
export function networkTexts(options: NetworkFiles): Readonly<Record<(typeof FILES)[number], string>> {
  const etc = options.hostEtc ?? '/etc';
  const host = options.network === 'host';
  const extra = options.extraHosts.map((entry) => {
    const at = entry.indexOf(':');
    return `${entry.slice(at + 1)}\t${entry.slice(0, at)}\n`;
  });
  const hosts = host ? text(join(etc, 'hosts')) : LOOPBACK;
  const { address, hostname } = options;
  const resolvConf = text(join(etc, 'resolv.conf'));
  const own = address === undefined ? '' : `${address}\t${hostname}\n`;
  return {
    hostname: `${options.hostname}\n`,
    hosts: `${hosts.endsWith('\n') || hosts === '' ? hosts : `${hosts}\n`}${own}${extra.join('')}`,
    'resolv.conf':
      address === undefined
        ? resolvConf
        : reachable(resolvConf) || reachable(text(options.upstream ?? RESOLVED)) || resolvConf,
  };
}

/** Without name servers on loopback; empty when no other is left. */
function reachable(resolvConf: string): string {
  const lines = resolvConf.split('\n').filter((line) => !/^\s*nameserver\s+(127\.|::1)/.test(line));
  return lines.some((line) => /^\s*nameserver\s/.test(line)) ? lines.join('\n') : '';
}

/** Writes them, readable by every user of the container. */
export function writeNetworkFiles(directory: string, options: NetworkFiles): void {
  const texts = networkTexts(options);
  for (const name of FILES) writeFileAtomic(join(directory, name), texts[name], { mode: 0o644 });
}
