/** Ports as `ps` shows them: "0.0.0.0:8080->80/tcp, 6379/tcp", by the container's port. */
import type { PortMap } from '../../engine/network-settings.js';

export function portsText(ports: PortMap): string {
  const number = (port: string) => Number.parseInt(port, 10);
  return Object.entries(ports)
    .sort(([a], [b]) => number(a) - number(b) || (a < b ? -1 : 1))
    .flatMap(
      ([port, bindings]) =>
        bindings?.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}->${port}`) ?? [port],
    )
    .join(', ');
}
