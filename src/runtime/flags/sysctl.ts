/** `--sysctl NAME=VALUE`: those that belong to a namespace of the container's own, as docker lists them. */
import type { HostConfig } from '../create-request.js';
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

/** Throws for one that would change the host. */
export function checkSysctls({ Sysctls = {}, NetworkMode, IpcMode }: HostConfig): void {
  for (const name of Object.keys(Sysctls)) {
    const shared = NET.test(name) ? NetworkMode === 'host' && 'network' : IpcMode === 'host' && 'IPC';
    if (shared) throw invalid(`sysctl '${name}' is not allowed in the host's ${shared} namespace`);
  }
}
