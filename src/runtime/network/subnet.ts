/** IPv4 subnets: which are in use on this host, and which is free. An address is a number of 32 bits. */
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { GantryError } from '../../core/errors.js';
import { invalid } from '../flags/invalid.js';

export interface Subnet {
  readonly base: number;
  readonly bits: number;
}

export interface Route extends Subnet {
  readonly interface: string;
}

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
export const addressText = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
export const subnetText = ({ base, bits }: Subnet): string => `${addressText(base)}/${bits}`;
const size = ({ bits }: Subnet): number => 2 ** (32 - bits);

/** "10.5.0.0/16". ERR_INVALID_ARGUMENT for what is none, or has bits below its mask. */
export function parseSubnet(text: string): Subnet {
  const [address = '', mask = ''] = text.split('/');
  const bits = /^\d+$/.test(mask) ? Number(mask) : Number.NaN;
  if (!isIPv4(address) || !(bits >= 8 && bits <= 30)) {
    throw invalid(`invalid subnet ${text}: expected an IPv4 network of 8 to 30 bits such as 10.5.0.0/16`);
  }
  const subnet = { base: toNumber(address), bits };
  const base = Math.floor(subnet.base / size(subnet)) * size(subnet);
  if (base !== subnet.base) {
    throw invalid(`invalid subnet ${text}: it should be ${addressText(base)}/${bits}`);
  }
  return subnet;
}

export const contains = (subnet: Subnet, address: string): boolean =>
  isIPv4(address) && toNumber(address) > subnet.base && toNumber(address) < subnet.base + size(subnet) - 1;

export const overlap = (a: Subnet, b: Subnet): boolean =>
  a.base < b.base + size(b) && b.base < a.base + size(a);

export const firstAddress = ({ base }: Subnet): string => addressText(base + 1);

/**
 * Routes of this network namespace but the default one, those over a bridge without ports included (which Node's
 * os.networkInterfaces() passes over). /proc/net/route, numbers in the host's byte order:
 *
 *   Iface   Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      …
 *   gantry0 000011AC     00000000  0001   0       0    0       0000FFFF
 */
export function routes(text = readFileSync('/proc/thread-self/net/route', 'latin1')): Route[] {
  const number = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE();
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .map((fields) => ({
      interface: fields[0]!,
      base: number(fields[1]!),
      bits: [...number(fields[7]!).toString(2)].filter((bit) => bit === '1').length,
    }))
    .filter(({ bits }) => bits > 0);
}

/** Docker's pools, in its order. ERR_CONFLICT when all is taken. */
export function freeSubnet(taken: readonly Subnet[]): Subnet {
  const pools = [
    ...Array.from({ length: 15 }, (_, at) => ({ base: toNumber(`172.${17 + at}.0.0`), bits: 16 })),
    ...Array.from({ length: 16 }, (_, at) => ({ base: toNumber(`192.168.${at * 16}.0`), bits: 20 })),
  ];
  const free = pools.find((pool) => !taken.some((other) => overlap(pool, other)));
  if (free !== undefined) return free;
  throw new GantryError(
    'ERR_CONFLICT',
    'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network',
    { hint: 'give one with --subnet' },
  );
}
