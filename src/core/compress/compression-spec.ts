/** What a user asks a layer or an archive to be compressed with: `none`, `gzip`, `gzip:9`, `zstd:19`, `lz4`. */
import { GantryError } from '../errors.js';
import type { Compression } from '../oci/media-types.js';

export interface CompressionSpec<Format extends Compression = Compression> {
  readonly format: Format;
  readonly level: number;
}

/**
 * Level of each when none is given, and the highest. 96 MB of Debian's libraries, MB a CPU second and size: gzip 1
 * 413, 35.6 %; gzip 2 383, 35.1 %; gzip 3 263, 34.7 % (ISA-L); gzip 6 32, 31.8 % (zlib); zstd 3 285, 29.8 %.
 */
const LEVELS: Readonly<Record<Compression, { readonly usual: number; readonly most: number }>> = {
  none: { usual: 0, most: 0 },
  gzip: { usual: 2, most: 9 },
  zstd: { usual: 3, most: 22 },
  lz4: { usual: 0, most: 0 },
};

/** Parses `FORMAT[:LEVEL]`, one of `formats`. Throws ERR_INVALID_ARGUMENT naming what is allowed. */
export function parseCompression<Format extends Compression>(
  text: string,
  formats: readonly Format[],
): CompressionSpec<Format> {
  const [name = '', level, ...rest] = text.split(':');
  const format = formats.find((known) => known === name);
  if (format === undefined || rest.length > 0) throw invalid(text, formats.map(form).join(', '));
  const { usual, most } = LEVELS[format];
  if (level === undefined) return { format, level: usual };
  const value = /^\d+$/.test(level) ? Number(level) : 0;
  if (value >= 1 && value <= most) return { format, level: value };
  throw invalid(text, most === 0 ? `${name} without a level` : `${name}:1 to ${name}:${most}`);
}

const form = (format: Compression): string => (LEVELS[format].most === 0 ? format : `${format}[:LEVEL]`);

const invalid = (text: string, expected: string): GantryError =>
  new GantryError(
    'ERR_INVALID_ARGUMENT',
    `invalid compression: expected ${expected}, found ${JSON.stringify(text)}`,
  );
