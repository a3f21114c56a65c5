/** `--sysctl NAME=VALUE`: those that belong to a namespace of the container's own, as docker lists them. */
import type { HostConfig } from '../create-request.js';
import { networkMode } from '../network-mode.js';
import { invalid, invalidFlag } from './invalid.js';

const IPC = /^kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$|^fs\.mqueue\./;
const NET = /^net\./;

export function parseSysctls(entries: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      const name = entry.slice(0, Math.max(at, 0));
      if (at >= 0 && (IPC.test(name) || NET.test(name))) return [name, entry.slice(at + 1)];
      throw invalidFlag(entry, '--sysctl', `sysctl '${entry}' is not allowed`);
    }),
  );
}

/** Throws for one that would change the host, or the network of another container (which may be the host's). */
export function checkSysctls({ Sysctls = {}, NetworkMode, IpcMode }: HostConfig): void {
  const { kind } = networkMode(NetworkMode);
  for (const name of Object.keys(Sysctls)) {
    if (NET.test(name) && kind === 'container') {
      throw invalid(`sysctl '${name}' is not allowed in another container's network namespace`);
    }
    const shared = NET.test(name) ? kind === 'host' && 'network' : IpcMode === 'host' && 'IPC';
    if (shared) throw invalid(`sysctl '${name}' is not allowed in the host's ${shared} namespace`);
  }
}
