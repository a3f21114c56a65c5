/**
 * `--security-opt`: `seccomp=FILE|unconfined|builtin`, `no-new-privileges[=true|false]`, `systempaths=unconfined`; and
 * `apparmor=unconfined`, `label=disable`, which ask for what is so anyway.
 */
import type { HostConfig } from '../create-request.js';
import { invalid } from './invalid.js';

const EXPECTED =
  'expected seccomp=unconfined|FILE, no-new-privileges, systempaths=unconfined, apparmor=unconfined or label=disable';
const PLAIN =
  /^(no-new-privileges([=:](true|false))?|(apparmor|seccomp)[=:]unconfined|seccomp[=:]builtin|label[=:]disable)$/;
const SYSTEM_PATHS = /^systempaths[=:]unconfined$/;

/** `read` gives the text of a profile: that is kept, as in Docker, so the container does not change when the file does. */
export function securityOptions(
  options: readonly string[],
  read: (path: string) => string,
): Pick<HostConfig, 'SecurityOpt' | 'MaskedPaths' | 'ReadonlyPaths'> {
  const SecurityOpt = options
    .filter((option) => !SYSTEM_PATHS.test(option))
    .map((option) => {
      if (PLAIN.test(option)) return option;
      const [, path] = /^seccomp[=:](.+)$/s.exec(option) ?? [];
      if (path === undefined) throw invalid(`invalid --security-opt ${JSON.stringify(option)}: ${EXPECTED}`);
      return `seccomp=${read(path)}`;
    });
  const open = options.some((option) => SYSTEM_PATHS.test(option));
  return { SecurityOpt, ...(open ? { MaskedPaths: [], ReadonlyPaths: [] } : {}) };
}

/** The value of one: `''` where it has none, undefined where it was not given. */
export function securityOption({ SecurityOpt }: HostConfig, name: string): string | undefined {
  const option = (SecurityOpt ?? []).find(
    (one) => one === name || (/^[=:]/.test(one.slice(name.length)) && one.startsWith(name)),
  );
  return option?.slice(name.length + 1);
}
