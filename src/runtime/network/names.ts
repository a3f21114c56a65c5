/**
 * Containers on a network of one's own know each other by name, with no name server: a block for each network in the
 * hosts file of each container, written anew whenever one comes or goes.
 *
 *   172.18.0.2	web                      its own, a line for each network
 *   # containers on backend
 *   172.18.0.3	db 4f1c0e2d9a7b
 *   # end of containers
 *
 * The file is bind mounted into the container, so it is rewritten in place: a rename would not be seen inside. What the
 * container itself wrote in it stays.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { errnoCode } from '../../core/errors.js';
import { addressOf, type Endpoint, lockNetworks, readEndpoints } from './endpoint.js';
import type { Network } from './network-store.js';

/** The container may write there what it likes; more than this is left alone. */
const HOSTS_BYTES = 1024 * 1024;

const END = '# end of containers\n';

/** A hosts file with the network's block replaced; at the end where it has none. Linear, for a text that is hostile. */
export function withBlock(hosts: string, network: string, block: string): string {
  const first = `# containers on ${network}\n`;
  const start = hosts.indexOf(first);
  const end = start < 0 ? -1 : hosts.indexOf(END, start + first.length);
  if (end < 0) return hosts + block;
  return hosts.slice(0, start) + block + hosts.slice(end + END.length);
}

/** Brings every container of the network up to date. The default network has no names, as in Docker. */
export async function shareNames({ Id, Name }: Network): Promise<void> {
  if (Name === 'bridge') return;
  const held = await lockNetworks();
  try {
    const endpoints = readEndpoints().filter(({ network }) => network.Id === Id);
    const line = (endpoint: (typeof endpoints)[number]) =>
      `${addressOf(endpoint)!.address}\t${endpoint.names.join(' ')}\n`;
    const known = endpoints.filter((endpoint) => addressOf(endpoint) !== undefined);
    for (const { hostsPath, containerID } of known) {
      const others = known.filter((other) => other.containerID !== containerID).map(line);
      const block = `# containers on ${Name}\n${others.join('')}${END}`;
      rewrite(hostsPath, (before) => withBlock(before, Name, block));
    }
  } finally {
    held.release();
  }
}

/** To the hosts file of a container that has come to a network while it runs: itself, by `names`. */
export function addOwnName(endpoint: Endpoint, names: string): void {
  const at = addressOf(endpoint);
  if (at !== undefined) rewrite(endpoint.hostsPath, (before) => `${before}${at.address}\t${names}\n`);
}

/** From the hosts file of one that has left: itself, and the others of that network. */
export function forgetNetwork(endpoint: Endpoint): void {
  const own = `${addressOf(endpoint)?.address}\t`;
  rewrite(endpoint.hostsPath, (before) =>
    withBlock(before, endpoint.network.Name, '')
      .split(/(?<=\n)/)
      .filter((line) => !line.startsWith(own))
      .join(''),
  );
}

function rewrite(path: string, change: (before: string) => string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return; // the container is being removed
    throw error;
  }
  try {
    if (fstatSync(fd).size > HOSTS_BYTES) return;
    const bytes = Buffer.from(change(readFileSync(fd, 'utf8').replace(/([^\n])$/, '$1\n')));
    writeSync(fd, bytes, 0, bytes.length, 0);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}
