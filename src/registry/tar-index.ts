/**
 * Where the files of a tar lie, read from its headers alone (data is skipped, so a 10 GB archive costs its headers):
 *
 *   blobs/sha256/4f53… → {offset 1536, size 32854}          ustar, PAX path and size, GNU long names
 *   1a2b…/layer.tar    → the entry its symlink or hardlink names (docker save before 25)
 */
import { posix } from 'node:path';
import { GantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { BLOCK, checksumMatches, isZeroBlock, parseNumber, parseText, TYPE } from '../core/tar/header.js';
import { type PaxRecords, parsePax } from '../core/tar/pax.js';

export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** The bytes of a tar, wherever they are. */
export interface TarBytes {
  /** For messages. */
  readonly path: string;
  readonly size: number;
  /** `length` bytes, fewer only at the end. */
  read(at: number, length: number): Buffer;
}

/** `./a//b` → `a/b`; undefined for what would leave the archive. */
export function memberName(name: string): string | undefined {
  const clean = posix.normalize(name).replace(/\/$/, '');
  return clean.startsWith('/') || clean === '..' || clean.startsWith('../') ? undefined : clean;
}

/** Regular files by name, links resolved, the last of a name. Throws ERR_INVALID_ARGUMENT for what is no tar. */
export function indexTar(tar: TarBytes): Map<string, Extent> {
  const files = new Map<string, Extent>();
  const links = new Map<string, string>();
  scan(tar, files, links);
  for (const [name, target] of links) {
    const extent = files.get(target);
    if (extent !== undefined) files.set(name, extent);
  }
  return files;
}

function scan(tar: TarBytes, files: Map<string, Extent>, links: Map<string, string>): void {
  const { path, size: total } = tar;
  let longName: string | undefined;
  let longLink: string | undefined;
  let pax: PaxRecords = new Map();
  for (let at = 0; at + BLOCK <= total; ) {
    const block = tar.read(at, BLOCK);
    if (isZeroBlock(block, 0)) break;
    if (!checksumMatches(block, 0)) throw notTar(path, `bad header checksum at byte ${at}`);
    const flag = block[156];
    const size = Number(pax.get('size') ?? parseNumber(block, 124, 12));
    const offset = at + BLOCK;
    if (!Number.isSafeInteger(size) || size < 0 || offset + size > total) {
      throw notTar(path, `an entry of ${size} bytes at byte ${at} of ${total}`);
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (flag === TYPE.pax || flag === TYPE.gnuLongName || flag === TYPE.gnuLongLink) {
      if (size > LIMITS.paxBytes) throw notTar(path, `an extended header of ${size} bytes`);
      const data = tar.read(offset, size);
      if (flag === TYPE.pax) pax = parsePax(data, offset);
      else if (flag === TYPE.gnuLongName) longName = parseText(data, 0, size);
      else longLink = parseText(data, 0, size);
      continue;
    }
    const name = memberName(longName ?? pax.get('path') ?? headerName(block));
    const target = longLink ?? pax.get('linkpath') ?? parseText(block, 157, 100);
    if (name !== undefined) {
      links.delete(name);
      if (flag === TYPE.file || flag === TYPE.oldFile) files.set(name, { offset, size });
      const base = flag === TYPE.symlink ? posix.dirname(name) : '.';
      const linked = memberName(posix.join(base, target));
      if ((flag === TYPE.symlink || flag === TYPE.link) && linked !== undefined) links.set(name, linked);
    }
    longName = longLink = undefined;
    pax = new Map();
  }
}

function headerName(block: Buffer): string {
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? parseText(block, 345, 155) : '';
  const name = parseText(block, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

const notTar = (path: string, found: string): GantryError =>
  new GantryError('ERR_INVALID_ARGUMENT', `${path}: expected an uncompressed tar archive, found ${found}`, {
    hint: 'decompress it first (gunzip, zstd -d)',
  });
