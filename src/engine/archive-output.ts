/**
 * An archive that appears when it is whole: written beside its name, synced with nothing, renamed at the end.
 *
 *   x.tar      → .tmp-x.tar-<random>, renamed          x/  → .tmp-x-<random>/, renamed over nothing or an empty directory
 *   a pipe, a device → written as it comes
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { type ArchiveSink, DirectorySink, TarSink } from './archive-sink.js';

export type ArchiveTarget =
  | { readonly kind: 'descriptor'; readonly fd: number }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string };

export interface ArchiveOptions {
  readonly target: ArchiveTarget;
  /** Of the tar as a whole. */
  readonly compression: CompressionSpec;
  readonly signal: AbortSignal;
}

type Fill = (sink: ArchiveSink) => Promise<void>;

/** Runs `fill` on a sink for `target` and publishes what it wrote; nothing is left when it fails. */
export async function writeArchive(
  { target, compression, signal }: ArchiveOptions,
  fill: Fill,
): Promise<void> {
  // Only in a file of ours places count from 0: a shell may have opened its own to append.
  const tar = (fd: number, seekable: boolean): Promise<void> =>
    filled(new TarSink({ fd, compression, signal, seekable }), fill);
  if (target.kind === 'descriptor') return tar(target.fd, false);
  const path = resolve(target.path);
  const temporary = join(dirname(path), `.tmp-${basename(path)}-${randomBytes(6).toString('hex')}`);
  if (target.kind === 'file' && existsSync(path) && !statSync(path).isFile()) {
    const fd = opened(path, 'w');
    return tar(fd, false).finally(() => closeSync(fd));
  }
  try {
    if (target.kind === 'directory') {
      checkEmpty(path);
      mkdirSync(temporary, { recursive: true });
      await filled(new DirectorySink(temporary, signal), fill);
    } else {
      const fd = opened(temporary, 'wx');
      await tar(fd, true).finally(() => closeSync(fd));
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function filled(sink: ArchiveSink, fill: Fill): Promise<void> {
  try {
    await fill(sink);
    await sink.finish();
  } finally {
    await sink.close();
  }
}

function opened(path: string, flags: string): number {
  try {
    // As docker's: what an image holds is not for everybody.
    return openSync(path, flags, 0o600);
  } catch (cause) {
    const errno = errnoCode(cause);
    if (errno === undefined) throw cause;
    throw new GantryError('ERR_SYSCALL', `open ${path}: ${errno}`, { errno }, { cause });
  }
}

function checkEmpty(path: string): void {
  if (!existsSync(path)) return;
  const found = statSync(path).isDirectory() ? readdirSync(path).length : undefined;
  if (found === 0) return;
  const what = found === undefined ? 'a file' : `one with ${found} entries`;
  throw new GantryError('ERR_CONFLICT', `${path}: expected a new or empty directory, found ${what}`);
}
