/** How names are found inside: `--add-host HOST:ADDRESS`, `--dns`, `--dns-search`, `--dns-option`. */
import { isIP } from 'node:net';
import type { HostConfig } from '../create-request.js';
import type { RunFlags } from '../run-flags.js';
import { invalidFlag } from './invalid.js';

/** In an `--add-host`: the address under which a container on a bridge finds the host. */
export const HOST_GATEWAY = 'host-gateway';

const DOMAIN =
  /^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$/;

/** `db:10.0.0.1`, `db=10.0.0.1`, `db=[fd00::1]` → `db:10.0.0.1`. */
function extraHost(entry: string): string {
  const wrong = (why: string) => invalidFlag(entry, '--add-host', why);
  const [, name, given = ''] = /^([^:=\s]+)[:=](\S+)$/.exec(entry) ?? [];
  if (name === undefined) throw wrong(`bad format for add-host: ${JSON.stringify(entry)}`);
  const address = given.replace(/^\[(.*)\]$/, '$1');
  if (address !== HOST_GATEWAY && isIP(address) === 0) {
    throw wrong(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
  return `${name}:${address}`;
}

function server(text: string): string {
  const address = text.trim();
  if (isIP(address) !== 0) return address;
  throw invalidFlag(text, '--dns', `IP address is not correctly formatted: ${text}`);
}

/** A lone dot means: no search domain at all. */
function search(text: string): string {
  const domain = text.trim();
  if (domain === '.' || DOMAIN.test(domain)) return domain;
  throw invalidFlag(text, '--dns-search', `${text} is not a valid domain`);
}

function option(text: string): string {
  if (/^\S+$/.test(text)) return text;
  throw invalidFlag(text, '--dns-option', 'expected one word');
}

export const nameResolution = (
  flags: RunFlags,
): Required<Pick<HostConfig, 'ExtraHosts' | 'Dns' | 'DnsSearch' | 'DnsOptions'>> => ({
  ExtraHosts: (flags.addHost ?? []).map(extraHost),
  Dns: (flags.dns ?? []).map(server),
  DnsSearch: (flags.dnsSearch ?? []).map(search),
  DnsOptions: (flags.dnsOption ?? []).map(option),
});
