/**
 * Publishing by rename: a reader sees the old file or the new one, never half of one.
 *
 *   write <dir>/.tmp-<name>-<random> → fsync (if asked) → rename over <dir>/<name> → fsync <dir> (if asked)
 *
 * Every file of the store that is replaced goes through here. `sync: true` is for what a power cut must not lose or
 * empty (repositories.json, container state); layer metadata relies on the boot-id rule of DESIGN §3 instead.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface AtomicOptions {
  /** Permission bits of the file, independent of the umask of the caller's shell; default 0600. */
  readonly mode?: number;
  readonly sync?: boolean;
}

/** Replaces `path` with `data`. Node's system errors pass through; the temporary file is gone then. */
export function writeFileAtomic(path: string, data: string | Uint8Array, options: AtomicOptions = {}): void {
  const dir = dirname(path);
  const tmp = join(dir, `.tmp-${basename(path)}-${randomBytes(6).toString('hex')}`);
  let moved = false;
  try {
    const fd = openSync(tmp, 'wx', options.mode ?? 0o600);
    try {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
      if (options.mode !== undefined) fchmodSync(fd, options.mode); // the umask does not count
      if (options.sync) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(tmp, path);
    moved = true;
  } finally {
    if (!moved) {
      try {
        unlinkSync(tmp);
      } catch {
        // it was never made
      }
    }
  }
  if (options.sync) syncDirectory(dir);
}

/** fsync of a directory, which makes the renames in it durable. */
export function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
