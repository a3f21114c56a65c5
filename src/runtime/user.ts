/**
 * `User` of an image or of `-u` (`name`, `uid`, `name:group`, `uid:gid`) by the container's own /etc/passwd and
 * /etc/group:
 *
 *   redis:x:999:999:Redis:/var/lib/redis:/bin/sh          name:pw:uid:gid:gecos:home:shell
 *   audio:x:29:redis,www-data                             name:pw:gid:members
 */
import { invalid } from './flags/invalid.js';
import type { UserSpec } from './oci-spec.js';

export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

export interface ResolvedUser extends UserSpec {
  readonly home: string;
}

const MAX_ID = 2 ** 31 - 1;

interface Account {
  readonly name: string;
  readonly id: number;
  readonly fields: readonly string[];
}

function accounts(text: string): Account[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(':');
    const id = fields[2];
    if (line.startsWith('#') || fields[0] === '' || id === undefined || !/^\d+$/.test(id)) return [];
    return [{ name: fields[0]!, id: Number(id), fields }];
  });
}

function numeric(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  if (Number(text) > MAX_ID) throw invalid('uids and gids must be in range 0-2147483647');
  return Number(text);
}

function groupID(groups: readonly Account[], text: string): number {
  // A group whose name is a number wins over the number, as in Docker.
  const id = groups.find((group) => group.name === text)?.id ?? numeric(text);
  if (id === undefined) throw invalid(`unable to find group ${text}: no matching entries in group file`);
  return id;
}

/** Throws ERR_INVALID_ARGUMENT with Docker's wording when a name is not there. */
export function resolveUser(
  spec: string,
  files: AccountFiles,
  groupAdd: readonly string[] = [],
): ResolvedUser {
  const users = accounts(files.passwd);
  const groups = accounts(files.group);
  const [who = '', group = ''] = spec.split(':');
  const user =
    who === ''
      ? users.find((one) => one.id === 0)
      : (users.find((one) => one.name === who) ?? users.find((one) => one.id === numeric(who)));
  const uid = user?.id ?? numeric(who === '' ? '0' : who);
  if (uid === undefined) throw invalid(`unable to find user ${who}: no matching entries in passwd file`);
  const ownGid = /^\d+$/.test(user?.fields[3] ?? '') ? Number(user!.fields[3]) : 0;
  const gid = group === '' ? ownGid : groupID(groups, group);
  // With an explicit group the user's other groups do not count (CVE-2022-36109 made the rest: gid is always in).
  const member =
    group === '' && user !== undefined
      ? groups.filter((one) => (one.fields[3] ?? '').split(',').includes(user.name))
      : [];
  const extra = [gid, ...member.map((one) => one.id), ...groupAdd.map((one) => groupID(groups, one))];
  return { uid, gid, additionalGids: [...new Set(extra)], home: user?.fields[5] || '/' };
}
