/**
 * The other direction of header.ts: an entry as ustar blocks, with a PAX header before it for what ustar cannot say
 * (names of more than 100 bytes, numbers that do not fit, fractions of a second, extended attributes). The caller
 * writes the contents and pads them to a block.
 */
import type { TarEntry } from './entry.js';
import { BLOCK, TYPE } from './header.js';

export type NewEntry = Omit<TarEntry, 'sparse' | 'headerOffset' | 'dataOffset'>;

/** Two zero blocks end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

export const paddingOf = (size: number): Buffer => TAR_END.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);

/** The header blocks of an entry. */
export function tarHeader(entry: NewEntry): Buffer {
  const pax = paxRecords(entry);
  const own = block(entry, TYPE[entry.type]);
  if (pax.length === 0) return own;
  const name = `PaxHeaders.0/${entry.name.replace(/\/$/, '').split('/').pop()!.slice(0, 80)}`;
  const header = block({ ...entry, name, linkname: '', mode: 0o644, size: pax.length }, TYPE.pax);
  return Buffer.concat([header, pax, paddingOf(pax.length), own]);
}

function paxRecords({ name, linkname, size, uid, gid, mtime, mtimeNanos, xattrs }: NewEntry): Buffer {
  const records: string[] = [];
  const add = (key: string, value: string): void => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + String(rest.length).length;
    length = rest.length + String(length).length; // its own digits count, and may become one more
    records.push(`${length}${rest}`);
  };
  if (name.length > 100) add('path', name);
  if (linkname.length > 100) add('linkpath', linkname);
  if (!fits(size, 12)) add('size', String(size));
  if (!fits(uid, 8)) add('uid', String(uid));
  if (!fits(gid, 8)) add('gid', String(gid));
  if (mtimeNanos !== 0 || !fits(mtime, 12)) add('mtime', time(mtime, mtimeNanos));
  for (const [key, value] of xattrs ?? []) add(`SCHILY.xattr.${key}`, value);
  return Buffer.from(records.join(''), 'latin1');
}

/** Seconds and what is after them, which counts forward: -2 s and 0.75e9 ns is -1.25. */
function time(seconds: number, nanos: number): string {
  const fraction = (value: number) => String(value).padStart(9, '0').replace(/0+$/, '');
  if (nanos === 0) return String(seconds);
  return seconds < 0 ? `-${-(seconds + 1)}.${fraction(1e9 - nanos)}` : `${seconds}.${fraction(nanos)}`;
}

const fits = (value: number, field: number): boolean => value >= 0 && value < 8 ** (field - 1);

function block(entry: NewEntry, type: number): Buffer {
  const out = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    const text = fits(value, length) ? value.toString(8) : '0'; // PAX has it
    out.write(text.padStart(length - 1, '0'), at, 'latin1');
  };
  out.write(entry.name, 0, 100, 'latin1');
  octal(entry.mode, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.size, 124, 12);
  octal(entry.mtime, 136, 12);
  out.fill(0x20, 148, 156);
  out[156] = type;
  out.write(entry.linkname, 157, 100, 'latin1');
  out.write('ustar\u000000', 257, 'latin1');
  octal(entry.major, 329, 8);
  octal(entry.minor, 337, 8);
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += out[at] as number;
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return out;
}
