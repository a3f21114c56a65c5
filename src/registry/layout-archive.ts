/** A folder or a tar whose files are asked for by name; both hold the same tree of an image layout or `docker save`. */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve, sep } from 'node:path';
import { GantryError } from '../core/errors.js';
import { indexTar, memberName } from './tar-index.js';

/** Bytes [offset, offset + size) of a file on disk. */
export interface FileRange {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

export interface LayoutArchive {
  readonly path: string;
  /** The archive's own name without `.tar` and the like: the repository of images that have only a tag. */
  readonly name: string;
  /** A regular file in it; undefined where there is none. */
  file(member: string): FileRange | undefined;
}

/** Opens a folder, or indexes a tar once. Throws ERR_NOT_FOUND, ERR_INVALID_ARGUMENT. */
export function openLayoutArchive(path: string): LayoutArchive {
  const absolute = resolve(path);
  const stat = statSync(absolute, { throwIfNoEntry: false });
  if (stat === undefined) throw new GantryError('ERR_NOT_FOUND', `${path}: no such file or directory`);
  const name = basename(absolute).replace(/(\.oci|\.docker)?\.tar$/, '');
  if (!stat.isDirectory()) {
    const index = indexTar(absolute);
    const file = (member: string): FileRange | undefined => {
      const extent = index.get(memberName(member) ?? '');
      return extent && { path: absolute, ...extent };
    };
    return { path: absolute, name, file };
  }
  const root = realpathSync(absolute);
  return { path: absolute, name, file: (member) => fileIn(root, member) };
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

/** All bytes of a small document. Throws ERR_INVALID_ARGUMENT above `limit` bytes. */
export function readRange(range: FileRange, limit: number): Buffer {
  if (range.size > limit) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${range.path}: a document of ${range.size} bytes, expected at most ${limit}`,
    );
  }
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
