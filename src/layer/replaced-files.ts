/**
 * Layers that hold a path twice. The spec forbids it, real ones do it, and the last wins on disk; but tar-split names
 * contents by path, and Docker's reader refuses a second entry of one name. So the contents of a file that a later
 * entry replaces are moved aside, and when the layer is complete tar-split is written once more with those contents
 * inline as raw bytes and one entry for each path.
 */
import { closeSync, lstatSync, mkdirSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cleanPath } from './entry-path.js';
import { readTarSplit } from './tar-split-reader.js';
import { TarSplitWriter } from './tar-split-writer.js';

const CHUNK = 256 * 1024;

export class ReplacedFiles {
  readonly #dir: string;
  /** For each path its replaced contents, oldest first; undefined where there were none. */
  readonly #replaced = new Map<string, (string | undefined)[]>();
  #kept = 0;

  /** `dir` is made when it is needed and removed by `dispose`; it must be on the file system of `diff/`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  get any(): boolean {
    return this.#replaced.size > 0;
  }

  /** Notes that the entry at `path` is about to be replaced; moves its contents away when `place` is a file. */
  add(path: string, place?: Buffer): void {
    const earlier = this.#replaced.get(path) ?? [];
    this.#replaced.set(path, [...earlier, place && this.#keep(place)]);
  }

  #keep(place: Buffer): string | undefined {
    const stat = lstatSync(place);
    if (!stat.isFile() || stat.size === 0) return undefined;
    if (this.#kept === 0) mkdirSync(this.#dir, { mode: 0o700 });
    const kept = join(this.#dir, String(this.#kept++));
    renameSync(place, kept);
    return kept;
  }

  /** Writes tar-split anew, from `from` to `to`. */
  async rewrite(from: string, to: string): Promise<void> {
    const writer = new TarSplitWriter(to);
    try {
      for await (const entry of readTarSplit(from)) {
        if (entry.type === 'segment') {
          writer.raw(entry.bytes, 0, entry.bytes.length);
          continue;
        }
        const name = entry.name.toString('latin1');
        const earlier = this.#replaced.get(cleanPath(name));
        if (earlier === undefined || earlier.length === 0) {
          writer.file(name, entry.size, entry.crc);
          continue;
        }
        const contents = earlier.shift();
        if (contents !== undefined && entry.size > 0) inline(writer, contents);
      }
      writer.finish();
    } finally {
      writer.close();
    }
  }

  dispose(): void {
    if (this.#kept > 0) rmSync(this.#dir, { recursive: true, force: true });
  }
}

function inline(writer: TarSplitWriter, path: string): void {
  const buffer = Buffer.alloc(CHUNK);
  const fd = openSync(path, 'r');
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer))
      writer.raw(buffer, 0, length);
  } finally {
    closeSync(fd);
  }
}
