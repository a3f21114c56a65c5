/**
 * An image archive opened for reading members at any place, whatever it comes as:
 *
 *   a directory or a tar          as it is
 *   a tar in gzip, zstd or lz4    decompressed into <root>/gantry/tmp/<id>/archive.tar
 *   a pipe                        kept in <root>/gantry/tmp/<id>/stdin first
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sniffCompression } from '../core/compress/inflater.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { newCacheID } from '../core/ids.js';
import { ProgressWords } from '../core/progress-words.js';
import { writeError } from '../core/write-error.js';
import { type LayoutArchive, openLayoutArchive } from '../registry/layout-archive.js';
import type { Pool } from './pool.js';
import type { Store } from './store.js';

export type ArchiveSource =
  | { readonly kind: 'path'; readonly path: string }
  /** Read to its end, unless it is a regular file. */
  | { readonly kind: 'descriptor'; readonly fd: number };

export interface OpenArchiveOptions {
  readonly pool: () => Pool;
  readonly hash: HashBackend;
  readonly signal: AbortSignal;
}

export interface OpenArchive {
  readonly archive: LayoutArchive;
  close(): Promise<void>;
}

const CHUNK = 1024 * 1024;

/** Throws ERR_NOT_FOUND, ERR_INVALID_ARGUMENT, ERR_LAYER_INVALID, ERR_LAYER_TOO_LARGE, ERR_NO_SPACE, ERR_CANCELED. */
export async function openArchive(
  store: Store,
  source: ArchiveSource,
  options: OpenArchiveOptions,
): Promise<OpenArchive> {
  const { makeHeldDirectory } = await import('../core/held-directory.js');
  const scratch = makeHeldDirectory(join(store.root, 'gantry', 'tmp'), newCacheID);
  const close = async (): Promise<void> => {
    await rm(scratch.path, { recursive: true, force: true });
    scratch.release();
  };
  try {
    const path = await pathOf(source, join(scratch.path, 'stdin'), options.signal);
    const plain = isCompressed(path)
      ? await inflated(path, join(scratch.path, 'archive.tar'), options)
      : path;
    const shown = source.kind === 'path' ? source.path : 'stdin';
    return { archive: { ...openLayoutArchive(plain), path: shown }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A path to read `source` by at any place; what cannot be is first copied to `spool`. */
export async function pathOf(source: ArchiveSource, spool: string, signal: AbortSignal): Promise<string> {
  if (source.kind === 'path') {
    const stat = statSync(source.path, { throwIfNoEntry: false });
    if (stat === undefined) {
      throw new GantryError('ERR_NOT_FOUND', `open ${source.path}: no such file or directory`);
    }
    if (stat.isFile() || stat.isDirectory()) return source.path;
  } else if (fstatSync(source.fd).isFile()) {
    return `/proc/self/fd/${source.fd}`;
  }
  const from =
    source.kind === 'path'
      ? createReadStream(source.path, { highWaterMark: CHUNK })
      : createReadStream('', { fd: source.fd, autoClose: false, highWaterMark: CHUNK });
  await keep(from, spool, signal);
  return spool;
}

/** Writes a stream to a file. Throws ERR_CANCELED, ERR_NO_SPACE, ERR_SYSCALL. */
export async function keep(from: Readable, path: string, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(from, createWriteStream(path, { mode: 0o600, highWaterMark: CHUNK }), { signal });
  } catch (error) {
    if (signal.aborted) throw new GantryError('ERR_CANCELED', 'archive: canceled', {}, { cause: error });
    throw writeError(error);
  }
}

function isCompressed(path: string): boolean {
  if (statSync(path).isDirectory()) return false;
  const magic = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    return sniffCompression(magic.subarray(0, readSync(fd, magic, 0, 4, 0))) !== 'none';
  } finally {
    closeSync(fd);
  }
}

async function inflated(path: string, to: string, options: OpenArchiveOptions): Promise<string> {
  const words = new ProgressWords();
  const cancel = (): void => words.cancel();
  options.signal.addEventListener('abort', cancel, { once: true });
  if (options.signal.aborted) cancel();
  const input = openSync(path, 'r');
  const output = openSync(to, 'wx', 0o600);
  try {
    const { hash } = options;
    await options.pool().run('inflateArchive', { from: input, to: output, hash, words: words.shared });
    return to;
  } finally {
    options.signal.removeEventListener('abort', cancel);
    closeSync(input);
    closeSync(output);
  }
}
