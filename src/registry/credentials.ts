/**
 * Stored logins: docker's config.json and podman's auth.json, one format.
 *
 *   {"auths": {"quay.io": {"auth": "<base64 user:password>"}, "https://index.docker.io/v1/": {"identitytoken": "…"}},
 *    "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "secretservice"}
 *
 * Files in order, the first with a login wins: $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json (~/.docker), podman's
 * $XDG_RUNTIME_DIR/containers/auth.json (/run/containers/<uid>), ~/.config/containers/auth.json. In a file a host's
 * helper beats the store beats `auths`. Keys may name a namespace ("quay.io/team"): the longest that fits wins.
 * Invariant: no content of these files reaches an error; JSON.parse's messages quote it.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { errnoCode } from '../core/errors.js';
import { CredentialHelpers, type HelperOptions } from './credential-helper.js';
import type { Credential } from './endpoint.js';
import { HUB_DOMAIN } from './reference.js';

const text = v.optional(v.string(), '');
const entrySchema = v.object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
});
const fileSchema = v.object({
  auths: v.optional(v.nullable(v.record(v.string(), v.nullable(entrySchema)))),
  credHelpers: v.optional(v.nullable(v.record(v.string(), v.string()))),
  credsStore: text,
});
type AuthEntry = v.InferOutput<typeof entrySchema>;
type AuthFile = v.InferOutput<typeof fileSchema>;

export const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_HOSTS = new Set([HUB_DOMAIN, 'index.docker.io', 'registry-1.docker.io']);

/** "https://Host/v1/" → "host"; a namespace is kept: "host/team". */
function normaliseKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  const [host = '', ...namespace] = bare.split('/');
  const domain = HUB_HOSTS.has(host.toLowerCase()) ? HUB_DOMAIN : host.toLowerCase();
  return [domain, ...namespace].join('/');
}

/** The entry whose key names `host/repository` or the longest part of it. */
function longestMatch<T>(
  entries: Readonly<Record<string, T>>,
  host: string,
  repository: string,
): T | undefined {
  const byKey = new Map<string, T>();
  // The exact spelling of a host beats "https://host/v1/" where a file has both.
  for (const [key, value] of Object.entries(entries).sort(([a], [b]) => b.length - a.length)) {
    byKey.set(normaliseKey(key), value);
  }
  const parts = [host.toLowerCase(), ...repository.split('/')];
  for (let length = parts.length; length > 0; length--) {
    const found = byKey.get(parts.slice(0, length).join('/'));
    if (found !== undefined) return found;
  }
  return undefined;
}

function ofEntry(entry: AuthEntry | null | undefined): Credential | undefined {
  if (!entry) return undefined;
  if (entry.registrytoken !== '') return { kind: 'registry', token: entry.registrytoken };
  if (entry.identitytoken !== '') return { kind: 'identity', token: entry.identitytoken };
  const decoded = Buffer.from(entry.auth, 'base64').toString().replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  if (colon > 0) {
    return { kind: 'basic', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  }
  if (entry.username === '') return undefined;
  return { kind: 'basic', username: entry.username, password: entry.password };
}

function authFiles(env: NodeJS.ProcessEnv): string[] {
  const home = env.HOME || homedir();
  const runtime = env.XDG_RUNTIME_DIR || `/run/containers/${process.getuid?.() ?? 0}`;
  const podman = env.XDG_RUNTIME_DIR ? 'containers/auth.json' : 'auth.json';
  return [
    ...(env.REGISTRY_AUTH_FILE ? [env.REGISTRY_AUTH_FILE] : []),
    join(env.DOCKER_CONFIG || join(home, '.docker'), 'config.json'),
    join(runtime, podman),
    join(env.XDG_CONFIG_HOME || join(home, '.config'), 'containers/auth.json'),
  ];
}

async function readAuthFile(path: string): Promise<AuthFile | { readonly problem: string }> {
  try {
    return v.parse(fileSchema, JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return v.parse(fileSchema, {});
    return { problem: `${path} cannot be read (${errnoCode(error) ?? 'not a valid login file'})` };
  }
}

/** For one process: files are read once, a helper is asked once for a host. */
export class Credentials {
  readonly #env: NodeJS.ProcessEnv;
  readonly #helpers: CredentialHelpers;
  readonly #answers = new Map<string, Promise<Credential>>();
  #files: Promise<(AuthFile | { readonly problem: string })[]> | undefined;

  constructor(options: HelperOptions) {
    this.#env = options.env;
    this.#helpers = new CredentialHelpers(options);
  }

  /** The login for a repository at a host ("docker.io" for Docker Hub). Never rejects; see `problem`. */
  async get(host: string, repository: string): Promise<Credential> {
    this.#files ??= Promise.all(authFiles(this.#env).map(readAuthFile));
    let problem: string | undefined;
    for (const file of await this.#files) {
      const found =
        'problem' in file
          ? ({ kind: 'anonymous', ...file } as const)
          : await this.#in(file, host, repository);
      if (found.kind !== 'anonymous') return found;
      problem ??= found.problem;
    }
    return { kind: 'anonymous', ...(problem !== undefined && { problem }) };
  }

  async #in(file: AuthFile, host: string, repository: string): Promise<Credential> {
    const helper = longestMatch(file.credHelpers ?? {}, host, repository) || file.credsStore;
    const asked = helper === '' ? undefined : await this.#ask(helper, host === HUB_DOMAIN ? HUB_KEY : host);
    if (asked !== undefined && asked.kind !== 'anonymous') return asked;
    return ofEntry(longestMatch(file.auths ?? {}, host, repository)) ?? asked ?? { kind: 'anonymous' };
  }

  #ask(helper: string, server: string): Promise<Credential> {
    const key = `${helper} ${server}`;
    const answer = this.#answers.get(key) ?? this.#helpers.get(helper, server);
    this.#answers.set(key, answer);
    return answer;
  }
}
