/**
 * Networks. Two need nothing (`none`, `host`); `bridge` is the default one, over the interface `gantry0`, and is what
 * the host says it is: the subnet of that interface, or the first free one while it is not there. The others:
 *
 *   <root>/gantry/networks/<name>.json   {"Name":"backend","Id":"<64 hex>","Created":"…","Bridge":"gn-<12 hex>",
 *                                         "Subnet":"172.18.0.0/16","Gateway":"172.18.0.1","Internal":false,"Labels":{}}
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../core/atomic.js';
import { errnoCode, GantryError } from '../../core/errors.js';
import { firstAddress, freeSubnet, parseSubnet, routes, subnetText } from './subnet.js';

export interface Network {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  /** The interface on the host. */
  readonly Bridge: string;
  readonly Subnet: string;
  readonly Gateway: string;
  /** Without a way out. */
  readonly Internal: boolean;
  readonly Labels: Readonly<Record<string, string>>;
}

export const DEFAULT_BRIDGE = 'gantry0';
/** Not to be made or removed. */
export const isPredefined = (name: string): boolean => ['bridge', 'host', 'none'].includes(name);

/** An id that every store has the same: these networks belong to the host. */
export const predefinedID = (name: string): string =>
  createHash('sha256').update(`gantry network ${name}`).digest('hex');

export class NetworkStore {
  readonly #directory: string;

  constructor(root: string) {
    this.#directory = join(root, 'gantry', 'networks');
  }

  /** Those that were made, by name. */
  list(): Network[] {
    try {
      const files = readdirSync(this.#directory).filter((name) => name.endsWith('.json') && name[0] !== '.');
      return files.sort().map((file) => this.#read(file));
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  put(network: Network): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    writeFileAtomic(join(this.#directory, `${network.Name}.json`), JSON.stringify(network), { sync: true });
  }

  remove(network: Network): void {
    rmSync(join(this.#directory, `${network.Name}.json`));
  }

  /** The default network as it is, or as it would be made now. */
  bridge(): Network {
    const now = routes();
    const subnet =
      now.find((route) => route.interface === DEFAULT_BRIDGE) ??
      freeSubnet([...now, ...this.list().map(({ Subnet }) => parseSubnet(Subnet))]);
    return {
      Name: 'bridge',
      Id: predefinedID('bridge'),
      Created: '0001-01-01T00:00:00Z',
      Bridge: DEFAULT_BRIDGE,
      Subnet: subnetText(subnet),
      Gateway: firstAddress(subnet),
      Internal: false,
      Labels: {},
    };
  }

  #read(file: string): Network {
    const path = join(this.#directory, file);
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as Network;
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new GantryError('ERR_STORE_CORRUPT', `${path}: ${cause.message}`, { file: path }, { cause });
    }
  }
}
