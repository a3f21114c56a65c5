/** One tar entry as the reader hands it out. Strings are latin1, one character a byte: names in a tar are bytes. */
import { invalidTar, parseNumber, parseText, TYPE } from './header.js';
import { type PaxRecords, parsePaxTime } from './pax.js';
import type { SparseSegment } from './sparse.js';

export interface TarEntry {
  readonly type: 'file' | 'link' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';
  /** As stored, not cleaned. */
  readonly name: string;
  readonly linkname: string;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of the file it becomes; for a sparse file more than the archive holds. */
  readonly size: number;
  /** Seconds may be negative; nanoseconds count forward from them. */
  readonly mtime: number;
  readonly mtimeNanos: number;
  readonly major: number;
  readonly minor: number;
  /** Attribute name to value, both latin1; undefined when there are none. */
  readonly xattrs: ReadonlyMap<string, string> | undefined;
  readonly sparse: readonly SparseSegment[] | undefined;
  /** Where its first header block lies, and where its data starts, in the tar: what an index over the tar needs. */
  readonly headerOffset: number;
  readonly dataOffset: number;
}

/** A header block and what the extended headers before it said. */
export interface EntrySource {
  readonly block: Buffer;
  readonly at: number;
  readonly flag: number;
  /** The size field; a PAX record may replace it. */
  readonly size: number;
  readonly pax: PaxRecords | undefined;
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
  readonly offset: number;
  readonly headerOffset: number;
  readonly dataOffset: number;
}

const PAX_XATTR = 'SCHILY.xattr.';

/** Builds the entry. `size` is what the archive holds; sparse maps come later. Throws ERR_LAYER_INVALID. */
export function parseEntry(source: EntrySource): TarEntry {
  const { block, at, pax, offset } = source;
  const type = entryType(source, pax?.get('path'));
  const device = type === 'char' || type === 'block';
  let uid = parseNumber(block, at + 108, 8);
  let gid = parseNumber(block, at + 116, 8);
  let size = source.size;
  let mtime = parseNumber(block, at + 136, 12);
  let mtimeNanos = 0;
  let xattrs: Map<string, string> | undefined;
  if (pax !== undefined) {
    size = paxNumber(pax, 'size', size, offset);
    uid = paxNumber(pax, 'uid', uid, offset);
    gid = paxNumber(pax, 'gid', gid, offset);
    const text = pax.get('mtime');
    if (text) {
      const time = parsePaxTime(text);
      if (time === undefined) throw invalidTar('bad pax mtime', offset);
      mtime = time.seconds;
      mtimeNanos = time.nanoseconds;
    }
    for (const [key, value] of pax) {
      if (!key.startsWith(PAX_XATTR)) continue;
      xattrs ??= new Map();
      xattrs.set(key.slice(PAX_XATTR.length), value);
    }
  }
  const mode = parseNumber(block, at + 100, 8);
  const sound = uid >= 0 && gid >= 0 && size >= 0 && mode >= 0 && Number.isSafeInteger(mtime);
  if (!sound) throw invalidTar('bad number in the header', offset);
  return {
    type,
    name: pax?.get('path') || (source.longName ?? headerName(block, at)),
    linkname: pax?.get('linkpath') || (source.longLink ?? parseText(block, at + 157, 100)),
    mode: mode & 0o7777,
    uid,
    gid,
    // Only files have contents; other types may carry a size that means nothing (Go's reader, isHeaderOnlyType).
    size: type === 'file' ? size : 0,
    mtime,
    mtimeNanos,
    major: device ? parseNumber(block, at + 329, 8) : 0,
    minor: device ? parseNumber(block, at + 337, 8) : 0,
    xattrs,
    sparse: undefined,
    headerOffset: source.headerOffset,
    dataOffset: source.dataOffset,
  };
}

function paxNumber(pax: PaxRecords, key: string, fallback: number, offset: number): number {
  const text = pax.get(key);
  if (text === undefined || text === '') return fallback;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalidTar(`bad pax ${key}`, offset);
  return value;
}

/** Name with ustar's prefix; the GNU format ("ustar  ") keeps other fields there. */
function headerName(block: Buffer, at: number): string {
  const name = parseText(block, at, 100);
  const prefixed = block[at + 345] !== 0 && block[at + 262] === 0;
  if (!prefixed || block.toString('latin1', at + 257, at + 262) !== 'ustar') return name;
  return `${parseText(block, at + 345, 155)}/${name}`;
}

function entryType({ block, at, flag, longName, offset }: EntrySource, paxName?: string): TarEntry['type'] {
  switch (flag) {
    case TYPE.file:
    case TYPE.contiguous:
    case TYPE.gnuSparse:
      return 'file';
    case TYPE.oldFile:
      // v7 had no type for directories: a trailing slash said it.
      return (paxName ?? longName ?? headerName(block, at)).endsWith('/') ? 'directory' : 'file';
    case TYPE.link:
      return 'link';
    case TYPE.symlink:
      return 'symlink';
    case TYPE.char:
      return 'char';
    case TYPE.block:
      return 'block';
    case TYPE.directory:
      return 'directory';
    case TYPE.fifo:
      return 'fifo';
    default:
      throw invalidTar(`unsupported entry type ${JSON.stringify(String.fromCharCode(flag))}`, offset);
  }
}
