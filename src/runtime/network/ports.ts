/** Published ports: which of the host's lead to which of the container's. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { errnoCode, GantryError } from '../../core/errors.js';
import type { ContainerSettings, HostConfig } from '../create-request.js';

export interface PublishedPort {
  readonly hostIP: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp';
}

const ANY = '0.0.0.0';

/**
 * Gives each asked port one on the host, a free one where none was named. ERR_CONFLICT in Docker's words when one is
 * taken: by `others` (ports are DNAT rules, which the kernel lets two have), or by a process that listens.
 */
export async function publishPorts(
  settings: ContainerSettings,
  hostConfig: HostConfig,
  others: readonly PublishedPort[],
): Promise<PublishedPort[]> {
  const bindings = { ...hostConfig.PortBindings };
  if (hostConfig.PublishAllPorts) {
    for (const port of Object.keys(settings.ExposedPorts ?? {})) bindings[port] ??= [{}];
  }
  const published: PublishedPort[] = [];
  for (const [port, asked] of Object.entries(bindings)) {
    const [containerPort, protocol] = port.split('/') as [string, PublishedPort['protocol']];
    for (const { HostIp, HostPort } of asked.length === 0 ? [{}] : asked) {
      const hostIP = HostIp || ANY;
      const wanted = {
        hostIP,
        hostPort: Number(HostPort || 0),
        containerPort: Number(containerPort),
        protocol,
      };
      const taken = [...others, ...published];
      published.push(wanted.hostPort === 0 ? await freePort(wanted, taken) : await checked(wanted, taken));
    }
  }
  return published;
}

const clash = (a: PublishedPort, b: PublishedPort): boolean =>
  a.hostPort === b.hostPort &&
  a.protocol === b.protocol &&
  (a.hostIP === b.hostIP || a.hostIP === ANY || b.hostIP === ANY);

async function checked(wanted: PublishedPort, taken: readonly PublishedPort[]): Promise<PublishedPort> {
  const { hostIP, hostPort, protocol } = wanted;
  if (taken.some((other) => clash(wanted, other))) {
    throw new GantryError('ERR_CONFLICT', `Bind for ${hostIP}:${hostPort} failed: port is already allocated`);
  }
  try {
    await probe(wanted);
  } catch (cause) {
    const code = errnoCode(cause);
    const why = code === 'EADDRINUSE' ? 'address already in use' : (cause as Error).message;
    throw new GantryError('ERR_CONFLICT', `listen ${protocol}4 ${hostIP}:${hostPort}: bind: ${why}`);
  }
  return wanted;
}

async function freePort(wanted: PublishedPort, taken: readonly PublishedPort[]): Promise<PublishedPort> {
  for (;;) {
    const found = { ...wanted, hostPort: await probe(wanted) };
    if (!taken.some((other) => clash(found, other))) return found;
  }
}

/** Listens for a moment; gives the port, which the kernel picks for 0. */
async function probe({ hostIP, hostPort, protocol }: PublishedPort): Promise<number> {
  if (protocol === 'tcp') {
    const server = createServer().listen({ port: hostPort, host: hostIP, exclusive: true });
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  const { createSocket } = await import('node:dgram'); // most runs publish none
  const socket = createSocket('udp4').bind({ port: hostPort, address: hostIP, exclusive: true });
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
