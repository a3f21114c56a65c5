/**
 * Linux capabilities (capabilities(7)) by the names of the OCI runtime spec, in the kernel's bit order, and Docker's
 * default set: what `--cap-add` and `--cap-drop` start from.
 */
import { invalid } from './flags/invalid.js';

export const ALL_CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

const DEFAULT = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
].map((name) => `CAP_${name}`);

function normalize(names: readonly string[], field: string): string[] {
  return names.map((name) => {
    const upper = name.toUpperCase();
    const full = upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (full !== 'ALL' && !ALL_CAPABILITIES.includes(full)) {
      throw invalid(`invalid ${field}: unknown capability: ${JSON.stringify(full)}`);
    }
    return full;
  });
}

export interface CapabilityRequest {
  readonly add?: readonly string[];
  readonly drop?: readonly string[];
  readonly privileged?: boolean;
  /**
   * The bounding set of this process (`CapBnd` in /proc/self/status): nothing outside of it can be given, and a
   * build server's root may lack some (CAP_SYS_RESOURCE). `ALL` and `--privileged` mean all of these.
   */
  readonly bounding: bigint;
}

/** The capabilities of the container's bounding set, in the kernel's order. */
export function capabilitiesFor(request: CapabilityRequest): string[] {
  const add = new Set(normalize(request.add ?? [], 'CapAdd'));
  const drop = new Set(normalize(request.drop ?? [], 'CapDrop'));
  const possible = ALL_CAPABILITIES.filter((_, bit) => (request.bounding >> BigInt(bit)) & 1n);
  if (request.privileged) return possible;
  const base = add.has('ALL') ? possible : drop.has('ALL') ? [] : DEFAULT;
  const held = new Set([...base, ...add].filter((name) => name !== 'ALL' && !drop.has(name)));
  return ALL_CAPABILITIES.filter((name) => held.has(name));
}

/** `CapBnd` of a /proc/<pid>/status text. */
export function boundingSet(status: string): bigint {
  return BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? 'ffffffffffffffff'}`);
}
