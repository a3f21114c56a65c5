/**
 * The part of containers' registries.conf (version 2) that says where to pull from:
 *
 *   [[registry]]
 *   prefix = "quay.io/team"            of image names, or "*.corp"; default: location. The longest that fits wins
 *   location = "inner.corp/quay/team"  stands for the prefix in what is asked for
 *   insecure = true                    plain HTTP or an unverified certificate will do
 *   blocked = true                     never pull these
 *   [[registry.mirror]]                asked first, in order
 *   location = "mirror.corp/team"
 *   pull-from-mirror = "digest-only"   or "tag-only", "all"
 *
 * A file of registries.conf.d replaces, whole, the tables of same prefix of those before it. Short names are docker's:
 * `unqualified-search-registries` and aliases would give "redis" another meaning than docker does and are not read.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { GantryError } from '../core/errors.js';
import { name, type Reference } from './reference.js';

const flag = v.optional(v.boolean(), false);
const text = v.optional(v.string(), '');
const mirrorSchema = v.object({
  location: v.string(),
  insecure: flag,
  'pull-from-mirror': v.optional(v.picklist(['all', 'digest-only', 'tag-only']), 'all'),
});
const registrySchema = v.object({
  prefix: text,
  location: text,
  insecure: flag,
  blocked: flag,
  'mirror-by-digest-only': flag,
  mirror: v.optional(v.array(mirrorSchema), []),
});
const fileSchema = v.object({ registry: v.optional(v.array(registrySchema), []) });
type Registry = v.InferOutput<typeof registrySchema>;

export interface Location {
  /** "host[:port]" */
  readonly host: string;
  readonly repository: string;
  readonly insecure: boolean;
  readonly mirror: boolean;
  /** May say what a tag points to. */
  readonly resolve: boolean;
}

async function readTables(path: string): Promise<Registry[]> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new GantryError('ERR_INVALID_ARGUMENT', `${path}: cannot be read (${code})`, {}, { cause });
  }
  try {
    return v.parse(fileSchema, parse(content)).registry;
  } catch (cause) {
    const { message } = cause as Error;
    const why = message.split('\n', 1)[0];
    throw new GantryError('ERR_INVALID_ARGUMENT', `${path}: not a registries.conf: ${why}`, {}, { cause });
  }
}

async function dropIns(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((file) => file.endsWith('.conf'))
    .sort()
    .map((file) => join(directory, file));
}

/** How many characters of `image` the prefix covers; 0: it does not fit. */
function covered(prefix: string, image: string): number {
  if (prefix.startsWith('*.')) {
    const host = image.split('/', 1)[0]!;
    const rest = prefix.slice(1);
    const slash = rest.includes('/') ? rest.indexOf('/') : rest.length;
    if (!host.endsWith(rest.slice(0, slash))) return 0;
    const length = host.length + rest.length - slash;
    return continues(image, length) && image.slice(host.length, length) === rest.slice(slash) ? length : 0;
  }
  return image.startsWith(prefix) && continues(image, prefix.length) ? prefix.length : 0;
}

const continues = (image: string, length: number): boolean =>
  image.length === length || image[length] === '/';

function locate(location: string, image: string, length: number): { host: string; repository: string } {
  const full = location === '' ? image : location.replace(/\/+$/, '') + image.slice(length);
  const slash = full.indexOf('/');
  return { host: full.slice(0, slash), repository: full.slice(slash + 1) };
}

export class RegistriesConf {
  readonly #tables: readonly Registry[];

  constructor(tables: readonly Registry[]) {
    this.#tables = tables;
  }

  /** Reads the file and its `.d` directory; what is absent is empty. Throws ERR_INVALID_ARGUMENT. */
  static async read(path: string): Promise<RegistriesConf> {
    const byPrefix = new Map<string, Registry>();
    for (const file of [path, ...(await dropIns(`${path}.d`))]) {
      for (const table of await readTables(file)) byPrefix.set(table.prefix || table.location, table);
    }
    byPrefix.delete('');
    return new RegistriesConf([...byPrefix.values()]);
  }

  /**
   * Where to ask for an image, in order; undefined where no table fits. Throws ERR_DENIED for a blocked one.
   */
  locations(reference: Reference): Location[] | undefined {
    const image = name(reference);
    let best: Registry | undefined;
    let length = 0;
    for (const table of this.#tables) {
      const fits = covered(table.prefix || table.location, image);
      if (fits > length) [best, length] = [table, fits];
    }
    if (best === undefined) return undefined;
    if (best.blocked) {
      throw new GantryError(
        'ERR_DENIED',
        `${image}: blocked by registries.conf (prefix ${best.prefix || best.location})`,
      );
    }
    const byDigest = reference.digest !== undefined;
    const mirrors = best.mirror
      .map((mirror) => ({
        ...mirror,
        use: best['mirror-by-digest-only'] ? ('digest-only' as const) : mirror['pull-from-mirror'],
      }))
      .filter(({ use }) => !(use === 'tag-only' && byDigest))
      .map(({ location, insecure, use }) => ({
        ...locate(location, image, length),
        insecure,
        mirror: true,
        resolve: use !== 'digest-only',
      }));
    const { insecure } = best;
    return [...mirrors, { ...locate(best.location, image, length), insecure, mirror: false, resolve: true }];
  }
}
