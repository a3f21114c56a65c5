/**
 * Containers on a network of one's own know each other by name, with no name server: a block in the hosts file of each,
 * written anew whenever one comes or goes.
 *
 *   # containers on backend
 *   172.18.0.3	db 4f1c0e2d9a7b
 *   # end of containers
 *
 * The file is bind mounted into the container, so it is rewritten in place: a rename would not be seen inside. What the
 * container itself wrote in it stays.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { errnoCode } from '../../core/errors.js';
import { addressOf, lockNetworks, readEndpoints } from './endpoint.js';
import type { Network } from './network-store.js';

const BLOCK = /# containers on .*\n(?:.*\n)*?# end of containers\n/;
/** The container may write there what it likes; more than this is left alone. */
const HOSTS_BYTES = 1024 * 1024;

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
      rewrite(hostsPath, `# containers on ${Name}\n${others.join('')}# end of containers\n`);
    }
  } finally {
    held.release();
  }
}

function rewrite(path: string, block: string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return; // the container is being removed
    throw error;
  }
  try {
    if (fstatSync(fd).size > HOSTS_BYTES) return;
    const before = readFileSync(fd, 'utf8');
    const after = BLOCK.test(before)
      ? before.replace(BLOCK, () => block)
      : `${before.replace(/([^\n])$/, '$1\n')}${block}`;
    const bytes = Buffer.from(after);
    writeSync(fd, bytes, 0, bytes.length, 0);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}
