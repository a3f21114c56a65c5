/** The CNI plugins of a network, as documents: what each of them is told. Their order is cni.ts's. */
import type { CniPlugin } from './cni.js';
import { LEASES } from './endpoint.js';
import type { Network } from './network-store.js';
import type { PublishedPort } from './ports.js';

/** The host's bridge, and a container's place on it; its default route too where `isDefaultGateway` says so. */
export const bridge = ({ Bridge, Subnet, Gateway }: Network, isDefaultGateway: boolean): CniPlugin => ({
  type: 'bridge',
  bridge: Bridge,
  isGateway: true,
  isDefaultGateway,
  hairpinMode: true,
  ipam: {
    type: 'host-local',
    dataDir: LEASES,
    ranges: [[{ subnet: Subnet, gateway: Gateway }]],
  },
});

export const portmap = (ports: readonly PublishedPort[]): CniPlugin => ({
  type: 'portmap',
  capabilities: { portMappings: true },
  runtimeConfig: {
    portMappings: ports.map(({ hostIP, ...port }) => ({
      ...port,
      ...(hostIP === '0.0.0.0' ? {} : { hostIP }),
    })),
  },
});

export const FIREWALL: CniPlugin = { type: 'firewall' };
