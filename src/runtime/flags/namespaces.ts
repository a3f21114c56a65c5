/** Whose namespaces a container lives in: `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`. */
import { GantryError } from '../../core/errors.js';
import type { HostConfig } from '../create-request.js';
import type { RunFlags } from '../run-flags.js';
import { invalid } from './invalid.js';

type Modes = Required<Pick<HostConfig, 'PidMode' | 'IpcMode' | 'UTSMode' | 'CgroupnsMode' | 'UsernsMode'>>;

/** What is docker's but not ours is ERR_UNSUPPORTED; what is nobody's has docker's words. */
function mode(text: string | undefined, known: readonly string[], flag: string, word: string): string {
  if (text === undefined || text === '' || known.includes(text)) return text ?? '';
  if (/^(container:|shareable$)/.test(text)) {
    throw new GantryError('ERR_UNSUPPORTED', `${flag} ${text}: expected ${known.join(' or ')}`, {
      hint: 'containers share a network and volumes, not these namespaces',
    });
  }
  throw invalid(`${flag}: invalid ${word} mode`, `expected ${known.join(' or ')}`);
}

export function namespaceModes(flags: RunFlags): Modes {
  const modes = {
    PidMode: mode(flags.pid, ['host'], '--pid', 'PID'),
    IpcMode: mode(flags.ipc, ['private', 'none', 'host'], '--ipc', 'IPC'),
    UTSMode: mode(flags.uts, ['host'], '--uts', 'UTS'),
    CgroupnsMode: mode(flags.cgroupns, ['private', 'host'], '--cgroupns', 'CGROUP'),
    // There is no remapping of users, so a container is in the host's user namespace whatever this says.
    UsernsMode: mode(flags.userns, ['host'], '--userns', 'USER'),
  };
  if (modes.UTSMode === 'host' && (flags.hostname !== undefined || flags.domainname !== undefined)) {
    throw invalid('conflicting options: hostname and the UTS mode');
  }
  return { ...modes, IpcMode: modes.IpcMode || 'private' };
}
