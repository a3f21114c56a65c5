/**
 * An image archive opened for reading members at any place, whatever it comes as:
 *
 *   a directory or a tar             as it is
 *   lz4 or zstd in small frames      as it is, each member from its own frames
 *   gzip, one frame                  decompressed into <root>/gantry/tmp/<id>/archive.tar
 *   a pipe                           kept in <root>/gantry/tmp/<id>/stdin as it comes; the last kind decompressed at once
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
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { chooseDecompressors } from '../core/compress/backends.js';
import { beginsWithFrame, FRAME_HEAD_BYTES, mapFrames } from '../core/compress/frame-map.js';
import { sniffCompression } from '../core/compress/inflater.js';
import { inflatingWriter } from '../core/compress/inflating-writer.js';
import { GantryError } from '../core/errors.js';
import { newCacheID } from '../core/ids.js';
import { writeError } from '../core/write-error.js';
import { openFramedArchive } from '../registry/framed-archive.js';
import { type LayoutArchive, openLayoutArchive } from '../registry/layout-archive.js';
import type { Store } from './store.js';

export type ArchiveSource =
  | { readonly kind: 'path'; readonly path: string }
  /** Read to its end, unless it is a regular file. */
  | { readonly kind: 'descriptor'; readonly fd: number };

export interface OpenArchive {
  readonly archive: LayoutArchive;
  close(): Promise<void>;
}

const CHUNK = 1024 * 1024;

/** Throws ERR_NOT_FOUND, ERR_INVALID_ARGUMENT, ERR_LAYER_INVALID, ERR_LAYER_TOO_LARGE, ERR_NO_SPACE, ERR_CANCELED. */
export async function openArchive(
  store: Store,
  source: ArchiveSource,
  signal: AbortSignal,
): Promise<OpenArchive> {
  const { makeHeldDirectory } = await import('../core/held-directory.js');
  const scratch = makeHeldDirectory(join(store.root, 'gantry', 'tmp'), newCacheID);
  const close = async (): Promise<void> => {
    await rm(scratch.path, { recursive: true, force: true });
    scratch.release();
  };
  try {
    const archive = await readable(source, scratch.path, signal);
    return { archive: { ...archive, path: source.kind === 'path' ? source.path : 'stdin' }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What cannot be read where it is goes into `scratch` once, as it comes or decompressed. */
async function readable(source: ArchiveSource, scratch: string, signal: AbortSignal): Promise<LayoutArchive> {
  const tar = join(scratch, 'archive.tar');
  let path = placeOf(source);
  if (path === undefined) {
    const stream = await peeked(streamOf(source), signal);
    if (needsInflating(stream.head)) {
      await inflate(stream.all, tar, signal);
      return openLayoutArchive(tar);
    }
    path = join(scratch, 'stdin');
    await keep(stream.all, path, signal);
  }
  if (statSync(path).isDirectory()) return openLayoutArchive(path);
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(FRAME_HEAD_BYTES);
    readSync(fd, head, 0, head.length, 0);
    if (sniffCompression(head) === 'none') return openLayoutArchive(path);
    const map = mapFrames(fd, fstatSync(fd).size);
    if (map !== undefined) return openFramedArchive(path, map, await chooseDecompressors());
  } finally {
    closeSync(fd);
  }
  await inflate(createReadStream(path, { highWaterMark: CHUNK }), tar, signal);
  return openLayoutArchive(tar);
}

const needsInflating = (head: Buffer): boolean => sniffCompression(head) !== 'none' && !beginsWithFrame(head);

/** A path to read `source` by at any place; undefined for what can only be read once. */
function placeOf(source: ArchiveSource): string | undefined {
  if (source.kind === 'descriptor') {
    return fstatSync(source.fd).isFile() ? `/proc/self/fd/${source.fd}` : undefined;
  }
  const stat = statSync(source.path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new GantryError('ERR_NOT_FOUND', `open ${source.path}: no such file or directory`);
  }
  return stat.isFile() || stat.isDirectory() ? source.path : undefined;
}

const streamOf = (source: ArchiveSource): Readable =>
  source.kind === 'path'
    ? createReadStream(source.path, { highWaterMark: CHUNK })
    : createReadStream('', { fd: source.fd, autoClose: false, highWaterMark: CHUNK });

/** A stream with its beginning known; the beginning is its first chunk. */
async function peeked(from: Readable, signal: AbortSignal): Promise<{ head: Buffer; all: Readable }> {
  const chunks = from[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const canceled = aborted(signal);
  try {
    let head = Buffer.alloc(0);
    while (head.length < FRAME_HEAD_BYTES) {
      // A stream that is destroyed while it reads tells so only when a byte comes.
      const { value, done } = await Promise.race([chunks.next(), canceled.promise]);
      if (done) break;
      head = Buffer.concat([head, value]);
    }
    const all = async function* (): AsyncGenerator<Buffer> {
      yield head;
      yield* { [Symbol.asyncIterator]: () => chunks };
    };
    return { head, all: Readable.from(all(), { objectMode: true, highWaterMark: 2 }) };
  } finally {
    canceled.forget();
  }
}

/** A promise that rejects with ERR_CANCELED when `signal` aborts. */
function aborted(signal: AbortSignal): { promise: Promise<never>; forget: () => void } {
  let cancel = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    cancel = () => reject(new GantryError('ERR_CANCELED', 'archive: canceled'));
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
  });
  promise.catch(() => {}); // told by who races it
  return { promise, forget: () => signal.removeEventListener('abort', cancel) };
}

/** A path to read `source` by at any place; what cannot be is first copied to `spool`. */
export async function pathOf(source: ArchiveSource, spool: string, signal: AbortSignal): Promise<string> {
  const place = placeOf(source);
  if (place !== undefined) return place;
  await keep(streamOf(source), spool, signal);
  return spool;
}

/** Writes a stream to a file. Throws ERR_CANCELED, ERR_NO_SPACE, ERR_SYSCALL. */
export const keep = (from: Readable, path: string, signal: AbortSignal): Promise<void> =>
  piped(from, createWriteStream(path, { mode: 0o600, highWaterMark: CHUNK }), signal);

async function inflate(from: Readable, path: string, signal: AbortSignal): Promise<void> {
  const decompressors = await chooseDecompressors();
  const fd = openSync(path, 'wx', 0o600);
  try {
    await piped(from, inflatingWriter({ fd, decompressors }), signal);
  } finally {
    closeSync(fd);
  }
}

async function piped(from: Readable, to: Writable, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(from, to, { signal });
  } catch (error) {
    if (signal.aborted) throw new GantryError('ERR_CANCELED', 'archive: canceled', {}, { cause: error });
    throw writeError(error);
  }
}
