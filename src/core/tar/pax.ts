/**
 * PAX extended header records: `<length> <key>=<value>\n`, length in decimal counting the whole record. Values are
 * kept as bytes (latin1 strings), because `SCHILY.xattr.*` values are binary and names need not be UTF-8.
 */
import { invalidTar } from './header.js';

export type PaxRecords = Map<string, string>;

/**
 * Parses all records. Later ones win, and an empty value takes the record back (POSIX pax), so an xattr cannot be
 * empty. GNU.sparse.offset/numbytes repeat, so they are joined into GNU.sparse.map.
 */
export function parsePax(bytes: Buffer, offset: number): PaxRecords {
  const records: PaxRecords = new Map();
  const sparse: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(bytes.toString('latin1', at, space));
    const end = at + length;
    const equals = bytes.indexOf(0x3d, space);
    const sound = Number.isInteger(length) && end <= bytes.length && bytes[end - 1] === 0x0a;
    if (!sound || equals < 0 || equals >= end) throw invalidTar('malformed pax record', offset + at);
    const key = bytes.toString('latin1', space + 1, equals);
    const value = bytes.toString('latin1', equals + 1, end - 1);
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') sparse.push(value);
    else if (value === '') records.delete(key);
    else records.set(key, value);
    at = end;
  }
  if (sparse.length > 0) records.set('GNU.sparse.map', sparse.join(','));
  return records;
}

export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A decimal time, possibly negative, truncated to nanoseconds toward minus infinity as the kernel stores it. */
export function parsePaxTime(text: string): PaxTime | undefined {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (match === null) return undefined;
  const whole = Number(match[2]);
  const nanos = Number((match[3] ?? '').padEnd(9, '0').slice(0, 9));
  if (!Number.isSafeInteger(whole)) return undefined;
  if (match[1] === '') return { seconds: whole, nanoseconds: nanos };
  return nanos === 0
    ? { seconds: -whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanos };
}
