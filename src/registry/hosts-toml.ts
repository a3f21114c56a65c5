/**
 * containerd's hosts.toml, one in a directory for each registry ("docker.io", "reg.corp:5000" or "reg.corp_5000_",
 * "_default" for all others):
 *
 *   server = "https://registry-1.docker.io"          asked last; its own keys stand at the root of the file
 *   [host."https://mirror.corp/v2/hub"]              asked in the order of the file
 *     capabilities = ["pull", "resolve"]             without "resolve": by digest only
 *     override_path = true                           the URL's path is the API root: no /v2 is appended
 *     ca = "mirror.crt"                              or a list; relative to the file
 *     client = [["client.cert", "client.key"]]
 *     [host."https://mirror.corp/v2/hub".header]
 *       x-tenant = "ci"
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { GantryError } from '../core/errors.js';
import type { Endpoint, TlsSettings } from './endpoint.js';

const paths = v.union([v.string(), v.array(v.string())]);
const hostSchema = v.object({
  capabilities: v.optional(v.array(v.string())),
  ca: v.optional(paths),
  client: v.optional(v.union([paths, v.array(v.array(v.string()))])),
  skip_verify: v.optional(v.boolean(), false),
  override_path: v.optional(v.boolean(), false),
  dial_timeout: v.optional(v.union([v.string(), v.number()])),
  proxy: v.optional(v.string()),
  header: v.optional(v.record(v.string(), paths), {}),
});
const fileSchema = v.object({
  server: v.optional(v.string()),
  host: v.optional(v.record(v.string(), hostSchema), {}),
  ...hostSchema.entries,
});
type HostTable = v.InferOutput<typeof hostSchema>;

/** A host as the file configures it; `url` has its scheme and API path. */
export type ConfiguredHost = Pick<Endpoint, 'headers' | 'tls' | 'capabilities' | 'proxy'> & {
  readonly url: URL;
  readonly connectTimeoutMs?: number;
};

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's durations ("1m30s", "500ms") and whole seconds, in milliseconds; undefined for anything else. */
export function durationMs(value: string | number): number | undefined {
  if (typeof value === 'number') return value * 1000;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(value)) return undefined;
  return [...value.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce(
    (sum, [, number, unit]) => sum + Number(number) * UNIT_MS[unit!]!,
    0,
  );
}

/** One client certificate: TLS offers the first that the server accepts, and no registry is known to take several. */
async function clientCertificate(
  client: HostTable['client'],
  read: (path: string) => Promise<string>,
): Promise<Pick<TlsSettings, 'cert' | 'key'>> {
  const first = Array.isArray(client) ? client[0] : client;
  if (first === undefined) return {};
  const [certPath = '', keyPath = ''] = Array.isArray(first) ? first : [first];
  const cert = await read(certPath);
  return { cert, key: keyPath === '' ? cert : await read(keyPath) };
}

async function configure(
  address: string,
  table: HostTable,
  read: (path: string) => Promise<string>,
  fail: (why: string) => GantryError,
): Promise<ConfiguredHost> {
  const text = /^[a-z]+:\/\//i.test(address) ? address : `https://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    throw fail(
      `host: expected https://host[:port][/path], found ${JSON.stringify(address.split('@').at(-1))}`,
    );
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = table.override_path || path.endsWith('/v2') ? path : `${path}/v2`;
  const connectTimeoutMs = table.dial_timeout === undefined ? undefined : durationMs(table.dial_timeout);
  if (table.dial_timeout !== undefined && connectTimeoutMs === undefined) {
    throw fail(
      `dial_timeout: expected a duration such as "30s", found ${JSON.stringify(table.dial_timeout)}`,
    );
  }
  const ca = await Promise.all([table.ca ?? []].flat().map(read));
  const { capabilities = ['pull', 'resolve'] } = table;
  return {
    url,
    headers: Object.fromEntries(
      Object.entries(table.header).map(([key, value]) => [key.toLowerCase(), [value].flat().join(', ')]),
    ),
    tls: {
      ...(ca.length > 0 && { ca }),
      ...(await clientCertificate(table.client, read)),
      ...(table.skip_verify && { skipVerify: true }),
    },
    capabilities: { pull: capabilities.includes('pull'), resolve: capabilities.includes('resolve') },
    ...(table.proxy !== undefined && { proxy: table.proxy }),
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
  };
}

/**
 * Reads a hosts.toml; undefined where there is none. `fallback` is the server where the file names none. Throws
 * ERR_INVALID_ARGUMENT with the file and place of a mistake.
 */
export async function readHostsToml(path: string, fallback: string): Promise<ConfiguredHost[] | undefined> {
  const fail = (why: string, cause?: unknown) =>
    new GantryError('ERR_INVALID_ARGUMENT', `${path}: ${why}`, {}, { cause });
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw fail(`cannot be read (${code})`, cause);
  }
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    throw fail('not valid TOML', cause);
  }
  const result = v.safeParse(fileSchema, document, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw fail(`at ${v.getDotPath(issue) ?? 'document'}: ${issue.message}`);
  }
  const { server = fallback, host, ...root } = result.output;
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(resolve(dirname(path), file), 'utf8');
    } catch (cause) {
      throw fail(`certificate ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
    }
  };
  const configured: ConfiguredHost[] = [];
  for (const [address, table] of Object.entries(host)) {
    configured.push(await configure(address, table, read, fail));
  }
  configured.push(await configure(server, root, read, fail));
  return configured;
}
