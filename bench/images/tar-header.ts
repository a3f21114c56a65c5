/**
 * Writes tar headers for images made by benches and tests: ustar, with a PAX header before it for what ustar cannot
 * say (names over 100 bytes or not ASCII, big ids and sizes, sub-second times, xattrs).
 *
 *   [x header, records "27 path=…\n"…] header(512) data, zero-padded to 512
 */

export interface TarEntry {
  /** Bytes as a latin1 string; a directory ends in a slash. */
  readonly name: string;
  /** 0 file, 1 hardlink, 2 symlink, 3 char device, 4 block device, 5 directory, 6 FIFO. */
  readonly type: string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds, or a decimal string where nanoseconds matter ("1700000000.123456789"). */
  readonly mtime?: number | string;
  readonly linkname?: string;
  readonly data?: Uint8Array;
  readonly major?: number;
  readonly minor?: number;
  /** PAX records besides the needed ones: `SCHILY.xattr.user.x`, `GNU.sparse.major`… as latin1 strings. */
  readonly pax?: Readonly<Record<string, string>>;
}

export const BLOCK = 512;
/** Two zero blocks end an archive. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);
export const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

export interface RawHeader extends Omit<TarEntry, 'pax' | 'data'> {
  readonly size: number;
}

/** One 512-byte block exactly as told; text is cut at its field. `magic` is ustar's unless GNU's is asked for. */
export function rawHeader(entry: RawHeader, magic = 'ustar\x0000'): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, length, 'latin1');
  };
  block.write(entry.name, 0, 100, 'latin1');
  octal(entry.mode, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(entry.size, 124, 12);
  octal(Math.max(0, Math.floor(Number(entry.mtime ?? 0))), 136, 12);
  block.write(entry.type, 156, 1, 'latin1');
  block.write(entry.linkname ?? '', 157, 100, 'latin1');
  block.write(magic, 257, 8, 'latin1');
  if (entry.type === '3' || entry.type === '4') {
    octal(entry.major ?? 0, 329, 8);
    octal(entry.minor ?? 0, 337, 8);
  }
  return withChecksum(block);
}

/** Sets the checksum: the sum of all bytes with the field itself as spaces. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

/** "LENGTH key=value\n", where LENGTH counts itself. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}

/** A whole entry: PAX header where needed, header, data, padding. */
export function tarEntry(entry: TarEntry): Buffer {
  const size = entry.data?.length ?? 0;
  const pax: Record<string, string> = { ...entry.pax };
  const plain = (text: string): boolean => text.length <= 100 && /^[\x20-\x7e]*$/.test(text);
  if (!plain(entry.name)) pax.path = entry.name;
  if (!plain(entry.linkname ?? '')) pax.linkpath = entry.linkname!;
  if (typeof entry.mtime === 'string') pax.mtime = entry.mtime;
  const large = 0o7777777;
  if ((entry.uid ?? 0) > large) pax.uid = String(entry.uid);
  if ((entry.gid ?? 0) > large) pax.gid = String(entry.gid);
  const header = {
    ...entry,
    uid: Math.min(entry.uid ?? 0, large),
    gid: Math.min(entry.gid ?? 0, large),
    size,
  };
  const parts: Uint8Array[] = [rawHeader(header)];
  if (size > 0) parts.push(entry.data!, Buffer.alloc(padded(size) - size));
  const records = Object.entries(pax);
  return records.length === 0 ? Buffer.concat(parts) : Buffer.concat([paxHeader(records), ...parts]);
}

function paxHeader(records: readonly (readonly [string, string])[]): Buffer {
  const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(''), 'latin1');
  const header = rawHeader({ name: 'PaxHeaders/entry', type: 'x', mode: 0o644, size: body.length });
  return Buffer.concat([header, body, Buffer.alloc(padded(body.length) - body.length)]);
}
