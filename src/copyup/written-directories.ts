/**
 * The directories that a volume could take over: going down from the root, the deepest one that still holds nearly
 * all of what was copied below its parent, or that holds copied files itself. What belongs to the system as a
 * whole (/, /usr, /etc, …) is never proposed: a volume there would hide later images' own files.
 *
 *   /var/lib/db/base/1 (2 GB), /var/lib/db/base/2 (1 GB), /var/lib/db/wal/0 (1 GB), /srv/x (1 GB) → /var/lib/db, /srv
 */
import type { CopiedFile } from './profile.js';
import { directoryOf } from './summary.js';

export interface WrittenDirectory {
  readonly directory: string;
  readonly files: readonly CopiedFile[];
}

const SYSTEM =
  /^\/$|^\/(?:bin|sbin|lib\w*|boot|dev|etc|proc|sys|run|usr)(?:\/|$)|^\/(?:home|mnt|opt|root|tmp|var|var\/(?:lib|cache|log|spool|opt|tmp))$/;
/** A control file beside a database's segments is no reason to stop above them. */
const NEARLY_ALL = 0.99;

export function writtenDirectories(files: readonly CopiedFile[]): WrittenDirectory[] {
  return below('/', files);
}

function below(directory: string, files: readonly CopiedFile[]): WrittenDirectory[] {
  const prefix = directory === '/' ? '/' : `${directory}/`;
  const children = new Map<string, CopiedFile[]>();
  for (const file of files) {
    if (directoryOf(file.path) === directory) continue;
    const child = prefix + file.path.slice(prefix.length).split('/', 1)[0];
    const members = children.get(child);
    if (members === undefined) children.set(child, [file]);
    else members.push(file);
  }
  const total = weight(files);
  const own = files.some((file) => directoryOf(file.path) === directory);
  const heavy = [...children].find(([, members]) => weight(members) >= NEARLY_ALL * total);
  if (!SYSTEM.test(directory)) {
    if (own || heavy === undefined) return [{ directory, files }];
    return below(...heavy);
  }
  return [...children].flatMap(([child, members]) => below(child, members));
}

const weight = (files: readonly CopiedFile[]): number => files.reduce((sum, file) => sum + file.bytes, 0);
