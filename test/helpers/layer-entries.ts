/** Tar entries for tests of layers, in as few words as possible. */
import { END_OF_ARCHIVE, type TarEntry, tarEntry } from '../../bench/images/tar-header.js';

export type More = Partial<Omit<TarEntry, 'data'>> & { data?: string };
export const entry = (type: string, name: string, { data = '', ...more }: More = {}): Buffer =>
  tarEntry({
    name,
    type,
    mode: type === '5' ? 0o755 : 0o644,
    mtime: 1_600_000_000,
    data: Buffer.from(data),
    ...more,
  });
export const file = (name: string, data = name, more: More = {}): Buffer =>
  entry('0', name, { data, ...more });
export const dir = (name: string, more?: More): Buffer => entry('5', `${name}/`, more);
export const symlink = (name: string, linkname: string): Buffer => entry('2', name, { linkname });
export const hardlink = (name: string, linkname: string): Buffer => entry('1', name, { linkname });
/** An empty file: a whiteout, by its name. */
export const gone = (name: string): Buffer => file(name, '');
export const xattr = (name: string, value: string): More => ({ pax: { [`SCHILY.xattr.${name}`]: value } });
/** A PAX sparse file of one extent. */
export const sparse = (name: string, text: string, size: number, more: More = {}): Buffer =>
  file(name, text, {
    ...more,
    pax: {
      'GNU.sparse.map': `${size - text.length},${text.length}`,
      'GNU.sparse.size': `${size}`,
      'GNU.sparse.name': name,
    },
  });
export const deep = (levels: number): string => Array.from({ length: levels }, (_, at) => `d${at}`).join('/');
export const tarOf = (entries: readonly Uint8Array[]): Buffer => Buffer.concat([...entries, END_OF_ARCHIVE]);
