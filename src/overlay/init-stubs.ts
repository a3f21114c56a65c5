/**
 * The mount points that every container's init layer holds, as Docker makes them:
 *
 *   dev/pts/ dev/shm/ proc/ sys/                                             directories 0755, where missing
 *   .dockerenv etc/resolv.conf etc/hosts etc/hostname dev/console            empty files 0755, always new
 *   etc/mtab -> /proc/mounts                                                 always new
 *
 * Invariant: whatever on such a path is not a directory is removed first, links in the middle included. So no image
 * can lead one of these out of the root, and the container finds none of the image's own hosts file.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const STUBS: Readonly<Record<string, 'directory' | 'file' | { readonly link: string }>> = {
  'dev/pts': 'directory',
  'dev/shm': 'directory',
  proc: 'directory',
  sys: 'directory',
  '.dockerenv': 'file',
  'etc/resolv.conf': 'file',
  'etc/hosts': 'file',
  'etc/hostname': 'file',
  'dev/console': 'file',
  'etc/mtab': { link: '/proc/mounts' },
};

function isDirectory(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return true;
  if (found !== undefined) unlinkSync(path);
  return false;
}

function ensureDirectory(path: string): void {
  if (isDirectory(path)) return;
  mkdirSync(path, 0o755);
  chmodSync(path, 0o755); // the umask does not count
  chownSync(path, 0, 0);
}

/** `root` is a merged view that no other process writes to. */
export function writeInitStubs(root: string): void {
  const made = new Set([root]);
  for (const [path, stub] of Object.entries(STUBS)) {
    const target = join(root, path);
    const parent = dirname(target);
    if (!made.has(parent)) ensureDirectory(parent);
    made.add(parent);
    if (stub === 'directory') ensureDirectory(target);
    else if (isDirectory(target)) continue;
    else if (stub === 'file') {
      writeFileSync(target, '', { flag: 'wx', mode: 0o755 });
      chmodSync(target, 0o755);
      chownSync(target, 0, 0);
    } else symlinkSync(stub.link, target);
  }
}
