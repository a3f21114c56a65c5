/** `gantry port CONTAINER [PRIVATE_PORT[/PROTO]]`. */
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { command } from '../command.js';
import { openSessionStore, type Session } from '../session.js';

export const portCommand = (session: Session): Command =>
  command(
    'port',
    'List port mappings or a specific mapping for the container',
    'CONTAINER [PRIVATE_PORT[/PROTO]]',
  )
    .argument('<CONTAINER>')
    .argument('[PRIVATE_PORT[/PROTO]]')
    .action(async (container: string, wanted: string | undefined) => {
      const { findContainer } = await import('../../engine/containers.js');
      const { containerPorts } = await import('../../engine/network-settings.js');
      const ports = containerPorts(await findContainer(await openSessionStore(session), container));
      if (wanted === undefined) {
        const lines = Object.entries(ports).flatMap(([port, bindings]) =>
          (bindings ?? []).map(({ HostIp, HostPort }) => `${port} -> ${HostIp}:${HostPort}\n`),
        );
        session.out(lines.sort().join(''));
        return;
      }
      const port = wanted.includes('/') ? wanted : `${wanted}/tcp`;
      const bindings = ports[port] ?? [];
      if (bindings.length === 0) {
        throw new GantryError('ERR_NOT_FOUND', `no public port '${port}' published for ${container}`);
      }
      session.out(bindings.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}\n`).join(''));
    });
