/**
 * Logins, written where docker keeps them ($DOCKER_CONFIG/config.json, ~/.docker), so that docker, podman and gantry share them:
 *
 *   {"auths":{"quay.io":{"auth":"<base64 user:password>"}}}                      0600
 *   {"auths":{"quay.io":{}},"credsStore":"pass"}                                  the helper has it: docker-credential-pass store
 *
 * Invariant: everything else in the file stays as it was, and nothing secret reaches an error.
 */
import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as v from 'valibot';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { Authorizer, emptyAuthState } from './auth.js';
import { authorized } from './authorized.js';
import { HUB_KEY } from './credentials.js';
import type { Credential, Endpoint } from './endpoint.js';
import { Hosts } from './hosts.js';
import { HttpClient, type HttpOptions } from './http.js';
import { HUB_DOMAIN } from './reference.js';

export interface Login {
  readonly username: string;
  readonly password: string;
}

const record = v.record(v.string(), v.unknown());
const fileSchema = v.looseObject({
  auths: v.optional(v.nullable(v.record(v.string(), v.nullable(record)))),
  credHelpers: v.optional(v.nullable(v.record(v.string(), v.string()))),
  credsStore: v.optional(v.string()),
});
type ConfigFile = v.InferOutput<typeof fileSchema>;

/** "quay.io" from "https://quay.io/v2/"; Docker Hub where nothing is said. ERR_INVALID_ARGUMENT for what is no host. */
export function registryHost(server = ''): string {
  const host = server
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/, '')
    .toLowerCase();
  if (host === '' || host === 'index.docker.io' || host === 'registry-1.docker.io') return HUB_DOMAIN;
  if (URL.canParse(`https://${host}/`) && new URL(`https://${host}/`).host !== '') return host;
  throw new GantryError(
    'ERR_INVALID_ARGUMENT',
    `expected a registry's host, found ${JSON.stringify(server)}`,
  );
}

interface CheckOptions extends HttpOptions {
  readonly signal?: AbortSignal;
}

/** Asks the registry whether the login is right: the file is written only then. ERR_UNAUTHORIZED, and what a request throws. */
export async function checkLogin(host: string, login: Login, options: CheckOptions): Promise<void> {
  const env = options.env ?? process.env;
  const [endpoint] = (await new Hosts({ env }).endpoints({ domain: host, path: 'login' })).slice(-1);
  const credential: Credential = { kind: 'basic', ...login };
  const http = new HttpClient(options);
  try {
    await ping(http, endpoint!, credential, options);
  } finally {
    http.close();
  }
}

async function ping(
  http: HttpClient,
  endpoint: Endpoint,
  credential: Credential,
  options: CheckOptions,
): Promise<void> {
  const state = { ...emptyAuthState(), credentials: new Map([[endpoint.host, credential]]) };
  const authorizer = new Authorizer(state, { ...options, actions: 'none' });
  await authorized(
    { http, endpoint, authorizer, repository: '', signal: options.signal },
    { url: new URL(`${endpoint.base}/`), what: `login to ${endpoint.host}`, limit: LIMITS.errorBodyBytes },
  );
}

export interface StoredLogin {
  readonly file: string;
  /** The helper that has the password; undefined: the file has it, readable for who may read the file. */
  readonly helper?: string;
}

/** Writes a login down. ERR_INVALID_ARGUMENT for a file that is not one of docker's; ERR_REGISTRY when a helper fails. */
export async function storeLogin(host: string, login: Login, env: NodeJS.ProcessEnv): Promise<StoredLogin> {
  const { file, config } = readConfig(env);
  const key = serverKey(host);
  const helper = helperFor(config, host);
  if (helper === undefined) {
    const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
    writeConfig(file, { ...config, auths: { ...config.auths, [key]: { auth } } });
    return { file };
  }
  const secret = { ServerURL: key, Username: login.username, Secret: login.password };
  await callHelper(helper, 'store', JSON.stringify(secret), env);
  writeConfig(file, { ...config, auths: { ...config.auths, [key]: {} } });
  return { file, helper };
}

/** False when there was none. Throws as `storeLogin`. */
export async function removeLogin(host: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const { file, config } = readConfig(env);
  const key = serverKey(host);
  const spellings = [key, host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`];
  const found = spellings.filter((spelling) => config.auths?.[spelling] !== undefined);
  const helper = helperFor(config, host);
  if (helper !== undefined) await callHelper(helper, 'erase', key, env);
  if (found.length === 0) return helper !== undefined;
  const auths = Object.fromEntries(
    Object.entries(config.auths ?? {}).filter(([spelling]) => !found.includes(spelling)),
  );
  writeConfig(file, { ...config, auths });
  return true;
}

const serverKey = (host: string): string => (host === HUB_DOMAIN ? HUB_KEY : host);

const helperFor = (config: ConfigFile, host: string): string | undefined =>
  config.credHelpers?.[host] || config.credHelpers?.[serverKey(host)] || config.credsStore || undefined;

function readConfig(env: NodeJS.ProcessEnv): { readonly file: string; readonly config: ConfigFile } {
  const file = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker'), 'config.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return { file, config: {} };
    throw error;
  }
  try {
    return { file, config: v.parse(fileSchema, JSON.parse(text)) };
  } catch {
    // The parser's message would quote the file.
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${file}: expected docker's config.json, found something else`,
      {
        hint: 'move it away, or mend it',
      },
    );
  }
}

/** A link stays a link, and under sudo a user's file stays the user's, who could not read it any more otherwise. */
function writeConfig(file: string, config: ConfigFile): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const target = existsSync(file) ? realpathSync(file) : file;
  const owner = statSync(target, { throwIfNoEntry: false }) ?? statSync(dirname(target));
  writeFileAtomic(target, `${JSON.stringify(config, null, '\t')}\n`, { mode: 0o600, sync: true });
  if (process.getuid?.() === 0) chownSync(target, owner.uid, owner.gid);
}

async function callHelper(
  helper: string,
  verb: 'store' | 'erase',
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const program = `docker-credential-${helper}`;
  const failed = (why: string) => new GantryError('ERR_REGISTRY', `${program} ${verb}: ${why}`);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper)) throw failed('not a valid helper name');
  const child = spawn(program, [verb], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const said = text(child.stdout).catch(() => '');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(failed(error.code === 'ENOENT' ? 'not installed' : String(error.code))),
    );
    child.once('close', resolve);
  });
  if (code !== 0 && !(verb === 'erase' && /not found/i.test(await said))) throw failed(`exited with ${code}`);
}
