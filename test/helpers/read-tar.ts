/** A tar through the reader: its entries with their contents, and the archive's bytes put together again. */
import { createHash } from 'node:crypto';
import type { TarEntry } from '../../src/core/tar/entry.js';
import { TarReader } from '../../src/core/tar/reader.js';

export interface ReadEntry extends TarEntry {
  /** Of a sparse file with its holes as zeros. */
  readonly content: Buffer;
}

export interface ReadTar {
  readonly entries: ReadEntry[];
  /** What the handler saw, in order: must be the archive. */
  readonly rebuilt: Buffer;
}

/** `cuts` are the offsets where one write ends and the next begins. Throws what the reader throws. */
export function readTar(tar: Buffer, cuts: Iterable<number> = []): ReadTar {
  const entries: ReadEntry[] = [];
  const seen: Buffer[] = [];
  let current: { entry: TarEntry; pieces: [offset: number, bytes: Buffer][] } | undefined;
  const copy = (bytes: Buffer, start: number, end: number): Buffer => Buffer.from(bytes.subarray(start, end));
  const reader = new TarReader({
    entry(entry) {
      if (current !== undefined) throw new Error(`${entry.name} begins inside ${current.entry.name}`);
      current = { entry, pieces: [] };
    },
    data(bytes, start, end, offset) {
      const piece = copy(bytes, start, end);
      current!.pieces.push([offset, piece]);
      // Of a sparse file the reader hands the same bytes to `raw` too.
      if (current!.entry.sparse === undefined) seen.push(piece);
    },
    end() {
      const { entry, pieces } = current!;
      const content = Buffer.alloc(entry.size);
      for (const [offset, piece] of pieces) piece.copy(content, offset);
      entries.push({ ...entry, content });
      current = undefined;
    },
    raw(bytes, start, end) {
      seen.push(copy(bytes, start, end));
    },
  });
  let from = 0;
  for (const to of [...cuts, tar.length]) {
    // A buffer of its own, and away after the call: a reader that kept a view would read garbage.
    const piece = copy(tar, from, to);
    reader.write(piece, 0, piece.length);
    piece.fill(0xa5);
    from = to;
  }
  reader.finish();
  return { entries, rebuilt: Buffer.concat(seen) };
}

export function* everyByte(tar: Buffer): Generator<number> {
  for (let at = 1; at < tar.length; at++) yield at;
}

/** All of it in one line, for comparing thousands of readings. */
export function fingerprint({ entries, rebuilt }: ReadTar): string {
  const hash = createHash('sha256').update(rebuilt);
  for (const { content, xattrs, ...rest } of entries)
    hash.update(JSON.stringify([rest, [...(xattrs ?? [])]])).update(content);
  return hash.digest('hex');
}
