/**
 * What a network needs of the host's firewall, by iptables, once for all its containers as docker does it:
 *
 *   iptables -t nat -A POSTROUTING -s 172.18.0.0/16 ! -o gantry1 -j MASQUERADE
 *
 * The bridge plugin would do it for each container, and the firewall plugin the same for FORWARD: 31 calls of iptables in a run, which took as
 * long as all else. So that plugin is only used where something in FORWARD could stop a container's packets.
 */
import { execFile } from 'node:child_process';
import { GantryError } from '../../core/errors.js';
import { SYSTEM_PATH } from './cni.js';
import type { Network } from './network-store.js';

const rule = ({ Bridge, Subnet }: Network): readonly string[] => [
  ...['POSTROUTING', '-s', Subnet, '!', '-o', Bridge, '-j', 'MASQUERADE'],
];

/** Gives a network its way out, if it has none yet. ERR_RUNTIME in iptables' own words. */
export async function masquerade(network: Network): Promise<void> {
  if ((await iptables('-t', 'nat', '-C', ...rule(network))).status === 0) return;
  const { status, stderr } = await iptables('-t', 'nat', '-A', ...rule(network));
  if (status !== 0)
    throw new GantryError('ERR_RUNTIME', `network ${network.Name}: iptables: ${stderr.trim()}`);
}

/** When the network goes. */
export async function stopMasquerade(network: Network): Promise<void> {
  await iptables('-t', 'nat', '-D', ...rule(network));
}

/** True where FORWARD accepts whatever comes: neither a policy nor a rule of somebody's could stop it. */
export async function forwardsFreely(): Promise<boolean> {
  const { stdout } = await iptables('-S', 'FORWARD');
  return stdout.trim() === '-P FORWARD ACCEPT';
}

interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `--wait`: others may be changing rules. */
function iptables(...args: readonly string[]): Promise<Finished> {
  return new Promise((resolve) => {
    execFile('iptables', ['--wait', ...args], { env: { PATH: SYSTEM_PATH } }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : 1, stdout, stderr: stderr || (error?.message ?? '') });
    });
  });
}
