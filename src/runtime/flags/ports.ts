/**
 * `-p` and `--expose` as docker reads them:
 *
 *   -p [ADDRESS:][HOST[-HOST]:]CONTAINER[-CONTAINER][/tcp|udp]     "8080:80", "127.0.0.1::80/udp", "8000-8002:80-82"
 *   --expose PORT[-PORT][/tcp|udp]
 */
import { isIPv4 } from 'node:net';
import type { PortBinding } from '../create-request.js';
import { invalid } from './invalid.js';

type Bindings = Readonly<Record<string, readonly PortBinding[]>>;

function range(text: string, what: string): readonly number[] {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const first = Number(from);
  const last = Number(to ?? from);
  if (!(first >= 1 && last <= 65535 && first <= last)) throw invalid(`${what}: ${text}`);
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

function protocolOf(text: string): readonly [ports: string, protocol: string] {
  const [ports = '', protocol = 'tcp', ...rest] = text.split('/');
  const name = protocol.toLowerCase();
  if (!['tcp', 'udp'].includes(name) || rest.length > 0) throw invalid(`invalid proto: ${protocol}`);
  return [ports, name];
}

/** One `-p`, by container port. */
function parsePublish(spec: string): (readonly [port: string, binding: PortBinding])[] {
  const [text, protocol] = protocolOf(spec);
  const parts = text.split(':');
  const container = parts.pop()!;
  const host = parts.pop() ?? '';
  const HostIp = parts.join(':');
  if (container === '') throw invalid(`no port specified: ${spec}<empty>`);
  if (HostIp !== '' && !isIPv4(HostIp)) throw invalid(`invalid IP address: ${HostIp}`);
  const inside = range(container, 'invalid containerPort');
  const outside = host === '' ? [] : range(host, 'invalid hostPort');
  if (outside.length > 0 && outside.length !== inside.length && inside.length > 1) {
    throw invalid(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  // A range for one port: docker takes the first that is free; the first is what is left of that here.
  return inside.map((port, at) => [
    `${port}/${protocol}`,
    { HostIp, HostPort: outside.length === 0 ? '' : String(outside[at]) },
  ]);
}

/** HostConfig.PortBindings and what they expose. Throws ERR_INVALID_ARGUMENT in Docker's words. */
export function parsePorts(
  publish: readonly string[],
  expose: readonly string[],
): { readonly bindings: Bindings; readonly exposed: Readonly<Record<string, unknown>> } {
  const bindings: Record<string, PortBinding[]> = {};
  for (const [port, binding] of publish.flatMap(parsePublish)) {
    bindings[port] = [...(bindings[port] ?? []), binding];
  }
  const exposed = expose.flatMap((spec) => {
    const [ports, protocol] = protocolOf(spec);
    return range(ports, 'invalid range format for --expose').map((port) => `${port}/${protocol}`);
  });
  return {
    bindings,
    exposed: Object.fromEntries([...Object.keys(bindings), ...exposed].map((port) => [port, {}])),
  };
}
