/**
 * What a network needs of the host's firewall, by iptables, once for all its containers as docker does it:
 *
 *   iptables -t nat -A POSTROUTING -s 172.18.0.0/16 ! -o gantry1 -j MASQUERADE
 *
 * The bridge plugin would do it for each container, and the firewall plugin the same for FORWARD: 31 calls of iptables in a run, which took as
 * long as all else. So that plugin is only used where something in FORWARD could stop a container's packets.
 *
 * What is there is looked at before each start and never remembered: a rule that somebody flushed is back when the next container of its
 * network starts, and a FORWARD that somebody closed is seen by it. Containers that run already are not looked at.
 */
import { GantryError } from '../../core/errors.js';
import { findExecutable } from '../oci-runtime.js';
import { SYSTEM_PATH } from './cni.js';
import type { Network } from './network-store.js';
import { type Finished, runProgram } from './program.js';

const rule = ({ Bridge, Subnet }: Network): readonly string[] => [
  ...['POSTROUTING', '-s', Subnet, '!', '-o', Bridge, '-j', 'MASQUERADE'],
];

export interface HostRules {
  /** Neither a policy nor a rule in FORWARD could stop what comes. */
  readonly forwardsFreely: boolean;
  readonly masqueraded: boolean;
}

/** One call for both tables; one that is not there yet (`iptables-save` makes none) lets everything through. */
export async function hostRules(network: Network): Promise<HostRules> {
  const { status, stdout } = await run('iptables-save');
  const filter = stdout.split(/^COMMIT$/m).find((table) => table.includes('*filter\n')) ?? '';
  return {
    forwardsFreely: status === 0 && !/^(:FORWARD (?!ACCEPT )|-A FORWARD )/m.test(filter),
    masqueraded: stdout.includes(`\n-A ${rule(network).join(' ')}\n`),
  };
}

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

/** `--wait`: others may be changing rules. */
const iptables = (...args: readonly string[]): Promise<Finished> => run('iptables', '--wait', ...args);

async function run(program: string, ...args: readonly string[]): Promise<Finished> {
  try {
    return await runProgram([findExecutable(program) ?? program, ...args], { env: { PATH: SYSTEM_PATH } });
  } catch (error) {
    return { status: 127, stdout: '', stderr: (error as Error).message };
  }
}
