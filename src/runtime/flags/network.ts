/**
 * Which networks a container is on, in docker's grammar:
 *
 *   --network backend                                  also `none`, `host`, `bridge` (`default`); several times
 *   --network name=backend,alias=db,ip=172.18.0.9      the same with settings of its endpoint
 *   --ip, --network-alias, --mac-address               settings of the first
 *   --network container:db                             that of another, alone: what it settles cannot be asked for
 */
import { isIPv4 } from 'node:net';
import { GantryError } from '../../core/errors.js';
import type { EndpointSettings } from '../create-request.js';
import { networkMode } from '../network-mode.js';
import type { RunFlags } from '../run-flags.js';
import { invalid, invalidFlag } from './invalid.js';

export interface Networks {
  readonly mode: string;
  /** The first is the mode's; by name or id. None in the network of another container. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
}

interface Asked {
  name: string;
  alias: string[];
  ip?: string;
  mac?: string;
}

const isPlain = (name: string): boolean => networkMode(name).kind !== 'networks';

/** Where nothing is said: `fallback`; with ports to publish one that can. */
export function parseNetworks(flags: RunFlags, fallback: string): Networks {
  const ports = flags.publish !== undefined || flags.publishAll === true;
  const unsaid = ports && isPlain(fallback) ? 'bridge' : fallback;
  const asked = [flags.network ?? unsaid].flat().map(parseNetwork);
  const first = asked[0]!;
  if (asked.length > 1 && asked.some(({ name }) => isPlain(name) || name === 'bridge')) {
    throw invalid('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  }
  if (flags.ip !== undefined && first.ip !== undefined) {
    throw invalid('conflicting options: cannot specify both --ip and per-network IPv4 address');
  }
  first.alias.push(...(flags.networkAlias ?? []));
  if (flags.ip !== undefined) first.ip = flags.ip;
  if (flags.macAddress !== undefined) first.mac = flags.macAddress;
  if (networkMode(first.name).kind === 'container') {
    checkJoining(flags, first);
    return { mode: first.name, endpoints: {} };
  }
  const endpoints: Record<string, EndpointSettings> = {};
  for (const one of asked) {
    if (Object.hasOwn(endpoints, one.name))
      throw invalid(`network ${JSON.stringify(one.name)} is specified multiple times`);
    endpoints[one.name] = checked(one);
  }
  return { mode: first.name, endpoints };
}

/** In docker's words. */
function checkJoining(flags: RunFlags, { name, alias, ip, mac }: Asked): void {
  if (name === 'container:') {
    throw invalid('invalid network mode: invalid container format container:<name|id>');
  }
  const conflicts = [
    [flags.hostname ?? flags.domainname, 'hostname and the network mode'],
    [flags.dns ?? flags.dnsSearch ?? flags.dnsOption, 'dns and the network mode'],
    [flags.addHost, 'custom host-to-IP mapping and the network mode'],
    [mac, 'mac-address and the network mode'],
    [flags.publish ?? (flags.publishAll || undefined), 'port publishing and the container type network mode'],
    [flags.expose, 'port exposing and the container type network mode'],
    [ip ?? alias[0], `network ${name} has no addresses and no aliases`],
  ] as const;
  const conflict = conflicts.find(([asked]) => asked !== undefined);
  if (conflict !== undefined) throw invalid(`conflicting options: ${conflict[1]}`);
}

function parseNetwork(text: string): Asked {
  const wrong = (why: string) => invalidFlag(text, '--network', why);
  const asked: Asked = { name: '', alias: [] };
  if (!text.includes('=')) asked.name = text;
  else {
    for (const field of text.split(',')) {
      const [, key, value] = /^([^=]*)=(.*)$/.exec(field) ?? [];
      if (key === undefined || value === undefined) throw wrong(`invalid field ${field}`);
      if (key === 'name') asked.name = value;
      else if (key === 'alias') asked.alias.push(value);
      else if (key === 'ip') asked.ip = value;
      else if (key === 'mac-address') asked.mac = value;
      else throw wrong(`invalid field key ${key}`);
    }
  }
  if (asked.name === 'default') asked.name = 'bridge';
  if (/^(container:.*|[a-zA-Z0-9][a-zA-Z0-9_.-]*)$/.test(asked.name)) return asked;
  throw new GantryError(
    'ERR_UNSUPPORTED',
    `network ${asked.name} not found: expected "none", "host", "bridge", "container:<name|id>" or the name of a network`,
  );
}

function checked({ name, alias, ip, mac }: Asked): EndpointSettings {
  if (mac !== undefined && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw invalid(`${mac} is not a valid mac address`);
  }
  if (isPlain(name) && (ip !== undefined || mac !== undefined || alias.length > 0)) {
    throw invalid(`conflicting options: network ${name} has no addresses and no aliases`);
  }
  return endpointSettings({
    alias,
    ...(ip === undefined ? {} : { ip }),
    ...(mac === undefined ? {} : { mac }),
  });
}

/** Settings of one endpoint, as docker keeps them; also those of `network connect`. */
export function endpointSettings(asked: {
  readonly alias?: readonly string[];
  readonly ip?: string;
  readonly mac?: string;
}): EndpointSettings {
  const { alias = [], ip, mac } = asked;
  if (ip !== undefined && !isIPv4(ip)) throw invalid(`invalid IPv4 address: ${ip}`);
  const bad = alias.find((name) => !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name));
  if (bad !== undefined) throw invalid(`invalid network alias ${JSON.stringify(bad)}`);
  return {
    IPAMConfig: ip === undefined ? null : { IPv4Address: ip },
    Aliases: alias.length === 0 ? null : alias,
    ...(mac === undefined ? {} : { MacAddress: mac.toLowerCase() }),
  };
}
