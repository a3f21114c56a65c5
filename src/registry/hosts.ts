/**
 * Where an image is asked for, in order. The first of these that knows its registry decides:
 *
 *   1. <hosts dir>/<registry>/hosts.toml                          (hosts-toml.ts)
 *   2. registries.conf, which also may block an image             (registries-conf.ts)
 *   3. <hosts dir>/_default/hosts.toml
 *   4. the registry itself
 *
 * Hosts dirs: $GANTRY_HOSTS_DIR, else /etc/gantry/certs.d and /etc/containerd/certs.d. An endpoint without
 * certificates of its own gets docker's: <dir>/<host[:port]>/*.crt (authorities) and *.cert with *.key (client), also from
 * /etc/docker/certs.d. Clear text: insecure.ts.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '../core/errors.js';
import type { Endpoint, TlsSettings } from './endpoint.js';
import { type ConfiguredHost, readHostsToml } from './hosts-toml.js';
import { InsecureHosts } from './insecure.js';
import { proxyFor } from './proxy.js';
import { HUB_DOMAIN, type Reference } from './reference.js';
import { type Location, RegistriesConf } from './registries-conf.js';

export const HUB_API_HOST = 'registry-1.docker.io';
const CONNECT_TIMEOUT_MS = 30_000;

/** "docker.io" for Docker Hub's own API, so that its login is found; else the host itself. */
const credentialHost = (host: string): string => (host === HUB_API_HOST ? HUB_DOMAIN : host);
const apiHost = (domain: string): string => (domain === HUB_DOMAIN ? HUB_API_HOST : domain);

interface Draft {
  readonly url: URL;
  readonly configured?: Omit<ConfiguredHost, 'url'>;
  readonly repository?: string;
  readonly query?: string;
  readonly resolve?: boolean;
  readonly skipVerify?: boolean;
}

/** For one process: what is read or probed is kept. */
export class Hosts {
  readonly #env: NodeJS.ProcessEnv;
  readonly #insecure: InsecureHosts;
  #conf: Promise<RegistriesConf> | undefined;

  constructor(options: { readonly env: NodeJS.ProcessEnv }) {
    this.#env = options.env;
    this.#insecure = new InsecureHosts(options.env.GANTRY_INSECURE_REGISTRIES);
  }

  /** Endpoints for an image, mirrors first. Throws ERR_DENIED (blocked), ERR_INVALID_ARGUMENT (a broken file). */
  async endpoints(reference: Reference): Promise<Endpoint[]> {
    const { domain } = reference;
    this.#conf ??= RegistriesConf.read(this.#env.GANTRY_REGISTRIES_CONF || '/etc/containers/registries.conf');
    const locations = (await this.#conf).locations(reference);
    const own = await this.#hostsToml(domain, directoryNames(domain));
    if (own !== undefined) return this.#fromToml(domain, own);
    if (locations !== undefined)
      return Promise.all(locations.map((location) => this.#fromLocation(location)));
    const shared = await this.#hostsToml(domain, ['_default']);
    if (shared !== undefined) return this.#fromToml(domain, shared);
    return [await this.#finish(await this.#origin(apiHost(domain), false))];
  }

  #directories(): string[] {
    const { GANTRY_HOSTS_DIR: directory } = this.#env;
    return directory ? [directory] : ['/etc/gantry/certs.d', '/etc/containerd/certs.d'];
  }

  async #hostsToml(domain: string, names: readonly string[]): Promise<ConfiguredHost[] | undefined> {
    const scheme = this.#insecure.has(domain) ? await this.#insecure.scheme(domain) : 'https';
    for (const directory of this.#directories()) {
      for (const name of names) {
        const path = join(directory, name, 'hosts.toml');
        const found = await readHostsToml(path, `${scheme}://${apiHost(domain)}`);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #fromToml(domain: string, hosts: readonly ConfiguredHost[]): Promise<Endpoint[]> {
    return Promise.all(
      hosts.map(({ url, ...configured }) => {
        const mirror = url.host !== apiHost(domain).toLowerCase();
        return this.#finish({
          url,
          configured,
          ...(mirror && { query: `ns=${encodeURIComponent(domain)}` }),
        });
      }),
    );
  }

  async #fromLocation({ host, repository, insecure, resolve }: Location): Promise<Endpoint> {
    return this.#finish({ ...(await this.#origin(apiHost(host), insecure)), repository, resolve });
  }

  async #origin(host: string, insecure: boolean): Promise<Draft> {
    const relaxed = insecure || this.#insecure.has(host);
    const scheme = relaxed ? await this.#insecure.scheme(host) : 'https';
    return { url: new URL(`${scheme}://${host}/v2`), ...(relaxed && { skipVerify: true }) };
  }

  async #finish(draft: Draft): Promise<Endpoint> {
    const { url, configured, repository, query, resolve = true, skipVerify } = draft;
    const proxy = configured?.proxy ?? proxyFor(url, this.#env);
    if (proxy !== undefined && !(URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol))) {
      throw new GantryError(
        'ERR_INVALID_ARGUMENT',
        `proxy for ${url.host}: expected http://host:port or https://host:port`,
      );
    }
    const given = configured?.tls ?? {};
    const files =
      given.ca === undefined && given.cert === undefined ? await this.#certificates(url.host) : {};
    return {
      base: url.href.replace(/\/$/, ''),
      host: credentialHost(url.host),
      headers: configured?.headers ?? {},
      tls: { ...files, ...given, ...(skipVerify && { skipVerify }) },
      connectTimeoutMs: configured?.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      capabilities: configured?.capabilities ?? { pull: true, resolve },
      ...(repository !== undefined && { repository }),
      ...(query !== undefined && { query }),
      ...(proxy !== undefined && { proxy }),
    };
  }

  /** The first directory with certificates for the host. */
  async #certificates(host: string): Promise<TlsSettings> {
    const directories = this.#env.GANTRY_HOSTS_DIR ? [] : ['/etc/docker/certs.d'];
    for (const directory of [...this.#directories(), ...directories]) {
      for (const name of directoryNames(credentialHost(host))) {
        const found = await readCertificates(join(directory, name));
        if (found !== undefined) return found;
      }
    }
    return {};
  }
}

/** containerd's spellings of "host:port" as a directory, for file systems without colons. */
const directoryNames = (host: string): string[] => {
  const spelled = host.replace(/:(\d+)$/, '_$1_');
  return spelled === host ? [host] : [spelled, host];
};

async function readCertificates(directory: string): Promise<TlsSettings | undefined> {
  const names = (await readdir(directory).catch(() => [])).sort();
  const read = (name: string) => readFile(join(directory, name), 'utf8');
  const ca = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read));
  const client = names.find((name) => name.endsWith('.cert'));
  const key = client?.replace(/cert$/, 'key');
  if (client !== undefined && !names.includes(key!)) {
    throw new GantryError('ERR_INVALID_ARGUMENT', `${directory}: found ${client} without its ${key}`);
  }
  if (ca.length === 0 && client === undefined) return undefined;
  return {
    ...(ca.length > 0 && { ca }),
    ...(client !== undefined && { cert: await read(client), key: await read(key!) }),
  };
}
