/**
 * Layers that hold a path twice. The spec forbids it, real ones do it, and the last wins on disk; but tar-split names
 * contents by path, and Docker's reader refuses a second entry of one name. So the contents of a file that a later
 * entry replaces are moved aside, and when the layer is complete tar-split is written once more with those contents
 * inline as raw bytes and one entry for each path.
 *
 * An entry is known to be replaced by its contents (size and CRC-64), not by its path: symlinks give one file many
 * paths (`via/x` and `real/x`), and equal bytes are as good from either place.
 */
import { closeSync, lstatSync, mkdirSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Crc64 } from '../core/digest/crc64.js';
import { cleanPath } from './entry-path.js';
import { readTarSplit } from './tar-split-reader.js';
import { TarSplitWriter } from './tar-split-writer.js';

const CHUNK = 256 * 1024;

export class ReplacedFiles {
  readonly #dir: string;
  /** Paths that several entries may have. */
  readonly #paths = new Set<string>();
  /** Contents that were moved away, by size. */
  readonly #kept = new Map<number, string[]>();
  #count = 0;
  #links = false;

  /** `dir` is made when it is needed and removed by `dispose`; it must be on the file system of `diff/`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  get any(): boolean {
    return this.#paths.size > 0;
  }

  /** True when a symlink was replaced: a file that an entry reached through it may no longer be where its name says. */
  get links(): boolean {
    return this.#links;
  }

  /** Notes that the entry at `path` is about to be replaced; moves its contents away when `place` is a file. */
  add(path: string, place?: Buffer): void {
    this.#paths.add(path);
    const stat = place && lstatSync(place);
    if (stat?.isSymbolicLink()) this.#links = true;
    if (!stat?.isFile() || stat.size === 0) return;
    if (this.#count === 0) mkdirSync(this.#dir, { mode: 0o700 });
    const kept = join(this.#dir, String(this.#count++));
    renameSync(place as Buffer, kept);
    this.#kept.set(stat.size, [...(this.#kept.get(stat.size) ?? []), kept]);
  }

  /** Writes tar-split anew, from `from` to `to`. */
  async rewrite(from: string, to: string, crc: Crc64): Promise<void> {
    const { left, contents } = await this.#survey(from, crc);
    const writer = new TarSplitWriter(to);
    try {
      for await (const entry of readTarSplit(from)) {
        if (entry.type === 'segment') {
          writer.raw(entry.bytes, 0, entry.bytes.length);
          continue;
        }
        const name = entry.name.toString('latin1');
        const path = cleanPath(name);
        const later = (left.get(path) ?? 1) - 1;
        left.set(path, later);
        const kept = entry.crc && contents.get(contentKey(entry.size, entry.crc));
        if (kept !== undefined) eachPiece(kept, (bytes, length) => writer.raw(bytes, 0, length));
        else if (later === 0) writer.file(name, entry.size, entry.crc);
      }
      writer.finish();
    } finally {
      writer.close();
    }
  }

  /** How many entries each path has, and the kept contents that are some entry's: a sparse file's are none. */
  async #survey(
    from: string,
    crc: Crc64,
  ): Promise<{ left: Map<string, number>; contents: Map<string, string> }> {
    const left = new Map<string, number>();
    const contents = new Map<string, string>();
    for await (const entry of readTarSplit(from)) {
      if (entry.type === 'segment') continue;
      const path = cleanPath(entry.name.toString('latin1'));
      if (this.#paths.has(path)) left.set(path, (left.get(path) ?? 0) + 1);
      for (const kept of this.#kept.get(entry.size) ?? []) {
        crc.reset();
        eachPiece(kept, (bytes, length) => crc.update(bytes, 0, length));
        contents.set(contentKey(entry.size, crc.digest()), kept);
      }
      this.#kept.delete(entry.size);
    }
    return { left, contents };
  }

  dispose(): void {
    if (this.#count > 0) rmSync(this.#dir, { recursive: true, force: true });
  }
}

const contentKey = (size: number, crc: Buffer): string => `${size} ${crc.toString('hex')}`;

function eachPiece(path: string, take: (bytes: Buffer, length: number) => void): void {
  const buffer = Buffer.from(new ArrayBuffer(CHUNK));
  const fd = openSync(path, 'r');
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) take(buffer, length);
  } finally {
    closeSync(fd);
  }
}
