/**
 * CNI plugins (containernetworking.github.io, spec 1.0.0): programs that get a JSON document on stdin and their
 * command in the environment, and answer with a JSON document. Ours of a network, run in this order and back:
 *
 *   bridge     the host's bridge, a veth pair into the namespace, an address by host-local
 *   portmap    published ports, by DNAT
 *   firewall   lets the container's packets through where FORWARD drops (a host that has dockerd)
 */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '../../core/errors.js';
import { runProgram } from './program.js';

const CNI_VERSION = '1.0.0';
/** Debian's, the projects' own and Fedora's. */
const DIRECTORIES = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];
/** Plugins call iptables. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** After that one is killed. */
export const PLUGIN_MS = 30_000;

export interface CniPlugin {
  readonly type: string;
  /** The program that it has give out addresses. */
  readonly ipam?: { readonly type: string; readonly [option: string]: unknown };
  readonly [option: string]: unknown;
}

export interface CniCall {
  /** Of the network. */
  readonly name: string;
  readonly plugins: readonly CniPlugin[];
  readonly containerID: string;
  readonly netns: string;
  /** Inside: eth0, eth1… */
  readonly ifname: string;
  /** An address and a MAC of one's own. */
  readonly ip?: string;
  readonly mac?: string;
}

/** The part of a plugin's answer that we read. */
export interface CniResult {
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly sandbox?: string;
  }[];
  readonly ips?: readonly { readonly address: string; readonly gateway?: string }[];
}

export interface CniOptions {
  /** A descriptor that each plugin and what it runs keep open. */
  readonly held?: number;
}

/**
 * Runs the plugins in order, each with the answer of the one before, the first with `before`. ERR_RUNTIME with the
 * plugin's own words.
 */
export async function cniAdd(
  call: CniCall,
  options: CniOptions & { readonly before?: CniResult } = {},
): Promise<CniResult> {
  let result = options.before;
  for (const plugin of call.plugins)
    result = await run('ADD', call, plugin, plugin.type, { ...options, result });
  return result ?? {};
}

/**
 * Undoes it in reverse order; what is gone already is no error to a plugin. `withNamespace` where the namespace goes next, and the
 * interface in it: then a plugin with one for addresses has only that one called, which gets its caller's document.
 */
export async function cniDelete(
  call: CniCall,
  result: CniResult | undefined,
  options: CniOptions & { readonly withNamespace?: boolean } = {},
): Promise<void> {
  for (const plugin of [...call.plugins].reverse()) {
    const program = options.withNamespace ? (plugin.ipam?.type ?? plugin.type) : plugin.type;
    await run('DEL', call, plugin, program, { ...options, result });
  }
}

const PLUGINS = ['bridge', 'host-local', 'portmap', 'firewall'];

/** What networks need of the host, by Debian's packages, and what of it is not there. */
export const networkPrograms = (): readonly { readonly package: string; readonly missing: string[] }[] => [
  { package: 'containernetworking-plugins', missing: PLUGINS.filter((name) => !findIn(DIRECTORIES, name)) },
  { package: 'iptables', missing: findIn(SYSTEM_PATH.split(':'), 'iptables') ? [] : ['iptables'] },
];

/** ERR_RUNTIME_MISSING when the host cannot have networks. */
export function checkNetworking(): void {
  const lacking = networkPrograms().filter(({ missing }) => missing.length > 0);
  if (lacking.length === 0) return;
  const missing = lacking.flatMap((one) => one.missing).join(', ');
  const packages = lacking.map((one) => one.package).join(' ');
  throw new GantryError(
    'ERR_RUNTIME_MISSING',
    `networks need the CNI plugins ${PLUGINS.join(', ')} in ${DIRECTORIES.join(' or ')}, and iptables: missing ${missing}`,
    {
      hint: `apt-get install ${packages}, or run with --network none or host (GANTRY_DEFAULT_NETWORK=none for every run)`,
    },
  );
}

const findIn = (directories: readonly string[], name: string): string | undefined =>
  directories.map((directory) => join(directory, name)).find(executable);

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function run(
  command: 'ADD' | 'DEL',
  { name, containerID, netns, ifname, ip, mac }: CniCall,
  plugin: CniPlugin,
  program: string,
  { held, result }: CniOptions & { readonly result: CniResult | undefined },
): Promise<CniResult> {
  const input = { cniVersion: CNI_VERSION, name, ...plugin, ...(result ? { prevResult: result } : {}) };
  const env = {
    PATH: SYSTEM_PATH,
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerID,
    CNI_NETNS: netns,
    CNI_IFNAME: ifname,
    ...(ip === undefined && mac === undefined
      ? {}
      : { CNI_ARGS: ['IgnoreUnknown=1', ip && `IP=${ip}`, mac && `MAC=${mac}`].filter(Boolean).join(';') }),
    CNI_PATH: DIRECTORIES.join(':'),
  };
  const path = findIn(DIRECTORIES, program) ?? join(DIRECTORIES[0]!, program);
  const failed = (why: string, cause?: unknown) =>
    new GantryError('ERR_RUNTIME', `network ${name}: CNI plugin ${program}: ${why}`, {}, { cause });
  const { status, stdout, stderr } = await runProgram([path], {
    env,
    input: JSON.stringify(input),
    timeoutMs: PLUGIN_MS,
    ...(held === undefined ? {} : { held }),
  }).catch((error: Error) => {
    throw failed(error.message, error);
  });
  if (status !== 0) throw failed(said(stdout) || stderr.trim() || `exit status ${status}`);
  return stdout.trim() === '' ? {} : (JSON.parse(stdout) as CniResult);
}

/** `{"code":11,"msg":"…","details":"…"}` */
function said(stdout: string): string {
  try {
    const { msg, details } = JSON.parse(stdout) as { msg?: string; details?: string };
    return [msg, details].filter(Boolean).join('; ');
  } catch {
    return '';
  }
}
