/** A folder or a tar whose files are asked for by name; both hold the same tree of an image layout or `docker save`. */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve, sep } from 'node:path';
import type { FrameMap } from '../core/compress/frame-map.js';
import { GantryError } from '../core/errors.js';
import { type Extent, indexTar, memberName } from './tar-index.js';

/** Bytes [offset, offset + size) of a file on disk, or of what its frames hold. */
export interface FileRange {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
  /** Those that hold some of it, where the file is compressed as a whole. */
  readonly frames?: FrameMap;
}

export interface LayoutArchive {
  readonly path: string;
  /** The archive's own name without `.tar` and the like: the repository of images that have only a tag. */
  readonly name: string;
  /** A regular file in it; undefined where there is none. */
  file(member: string): FileRange | undefined;
  /** All bytes of a small document. Throws ERR_INVALID_ARGUMENT above `limit` bytes. */
  read(range: FileRange, limit: number): Buffer;
}

export const archiveName = (path: string): string =>
  basename(path).replace(/(\.oci|\.docker)?\.tar(\.\w+)?$/, '');

/** Opens a folder, or indexes a tar once. Throws ERR_NOT_FOUND, ERR_INVALID_ARGUMENT. */
export function openLayoutArchive(path: string): LayoutArchive {
  const absolute = resolve(path);
  const stat = statSync(absolute, { throwIfNoEntry: false });
  if (stat === undefined) throw new GantryError('ERR_NOT_FOUND', `${path}: no such file or directory`);
  const name = archiveName(absolute);
  if (!stat.isDirectory()) {
    const index = indexTarFile(absolute);
    const file = (member: string): FileRange | undefined => {
      const extent = index.get(memberName(member) ?? '');
      return extent && { path: absolute, ...extent };
    };
    return { path: absolute, name, file, read: readRange };
  }
  const root = realpathSync(absolute);
  return { path: absolute, name, file: (member) => fileIn(root, member), read: readRange };
}

function indexTarFile(path: string): Map<string, Extent> {
  const fd = openSync(path, 'r');
  try {
    const read = (at: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
    };
    return indexTar({ path, size: fstatSync(fd).size, read });
  } finally {
    closeSync(fd);
  }
}

/** Links may lead around inside the folder, not out of it: a layout from elsewhere must not publish our files. */
function fileIn(root: string, member: string): FileRange | undefined {
  const clean = memberName(member);
  if (clean === undefined) return undefined;
  try {
    const path = realpathSync(join(root, clean));
    const stat = statSync(path);
    return path.startsWith(root + sep) && stat.isFile() ? { path, offset: 0, size: stat.size } : undefined;
  } catch {
    return undefined;
  }
}

/** Throws ERR_INVALID_ARGUMENT for a document above `limit` bytes. */
export function checkDocument({ path, size }: FileRange, limit: number): void {
  if (size <= limit) return;
  const message = `${path}: a document of ${size} bytes, expected at most ${limit}`;
  throw new GantryError('ERR_INVALID_ARGUMENT', message);
}

/** `LayoutArchive.read` of bytes that lie in the file as they are. */
export function readRange(range: FileRange, limit: number): Buffer {
  checkDocument(range, limit);
  const bytes = Buffer.alloc(range.size);
  const fd = openSync(range.path, 'r');
  try {
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(fd, bytes, at, bytes.length - at, range.offset + at);
      if (count === 0) throw new GantryError('ERR_INVALID_ARGUMENT', `${range.path}: shorter than it was`);
      at += count;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}
