/**
 * The far end of the data path: tar bytes in, a layer on disk out. Feeds the extractor and tar-split from one reading
 * of the tar, with a CRC-64 for each file's contents.
 *
 *   <staging>/diff/               the layer in overlay's form
 *   <staging>/tar-split.json.gz   what rebuilds its tar
 */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Crc64 } from '../core/digest/crc64.js';
import { GantryError } from '../core/errors.js';
import type { TarEntry } from '../core/tar/entry.js';
import { type TarHandler, TarReader } from '../core/tar/reader.js';
import { cleanPath, hostile } from './entry-path.js';
import { type Extracted, Extractor, type ExtractorOptions } from './extractor.js';
import { ReplacedFiles } from './replaced-files.js';
import { assembleTar } from './tar-split-assembler.js';
import { TarSplitWriter } from './tar-split-writer.js';
import { parseWhiteout } from './whiteout.js';

export const TAR_SPLIT = 'tar-split.json.gz';

export interface Written extends Extracted {
  readonly entries: number;
  readonly tarSize: number;
  /** Sum of the sizes of its files, Docker's idea of a layer's size. */
  readonly size: number;
}

export class LayerWriter implements TarHandler {
  readonly #staging: string;
  readonly #diff: string;
  readonly #crc: Crc64;
  readonly #reader = new TarReader(this);
  readonly #replaced: ReplacedFiles;
  readonly #extractor: Extractor;
  readonly #tarSplit: TarSplitWriter;
  readonly #whiteoutNames = new Set<string>();
  #entry: TarEntry | undefined;
  /** Where the contents of the current entry go: to disk, or only into tar-split (see TarHandler.data). */
  #contents: 'file' | 'sparse' | 'none' = 'none';
  #size = 0;

  /** The calling thread must have umask 0. `crc` may be shared by layers that follow each other. */
  constructor(staging: string, crc: Crc64, files: Omit<ExtractorOptions, 'onReplace'> = {}) {
    this.#staging = staging;
    this.#diff = join(staging, 'diff');
    this.#crc = crc;
    // First: on a full disk it fails, and the extractor would leave its descriptor open.
    this.#tarSplit = new TarSplitWriter(join(staging, TAR_SPLIT));
    this.#replaced = new ReplacedFiles(join(staging, 'replaced'));
    this.#extractor = new Extractor(this.#diff, {
      ...files,
      onReplace: (path, kind, place) => this.#replaced.add(path, kind === 'leaf' ? place : undefined),
    });
  }

  get entries(): number {
    return this.#reader.entries;
  }

  /** Feeds tar bytes. Throws ERR_LAYER_INVALID, ERR_LAYER_HOSTILE, ERR_NO_SPACE, ERR_SYSCALL. */
  write(bytes: Buffer, start: number, end: number): void {
    this.#reader.write(bytes, start, end);
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    const path = cleanPath(entry.name);
    const whiteout = parseWhiteout(path);
    if (whiteout !== undefined) {
      if (entry.size > 0) throw hostile(`whiteout with ${entry.size} bytes of contents`, entry.name);
      if (this.#whiteoutNames.has(path)) this.#replaced.add(path);
      this.#whiteoutNames.add(path);
      this.#contents = 'none';
      if (whiteout.kind !== 'ignored') this.#extractor.whiteout(whiteout);
      return;
    }
    this.#extractor.begin(entry, path);
    this.#size += entry.size;
    this.#contents = entry.sparse !== undefined ? 'sparse' : entry.size > 0 ? 'file' : 'none';
    if (this.#contents === 'file') this.#crc.reset();
  }

  data(bytes: Buffer, start: number, end: number, offset: number): void {
    if (this.#contents === 'file') this.#crc.update(bytes, start, end);
    this.#extractor.data(bytes, start, end, offset);
  }

  end(): void {
    const entry = this.#entry as TarEntry;
    this.#extractor.end();
    // A sparse file's bytes went to tar-split as raw ones, so it has no entry there.
    if (this.#contents === 'sparse') return;
    const crc = this.#contents === 'file' ? this.#crc.digest() : undefined;
    this.#tarSplit.file(entry.name, entry.size, crc);
  }

  raw(bytes: Buffer, start: number, end: number): void {
    this.#tarSplit.raw(bytes, start, end);
  }

  /** The tar is complete: sets directory times, completes tar-split. */
  async finish(): Promise<Written> {
    this.#reader.finish();
    const extracted = this.#extractor.finish();
    this.#tarSplit.finish();
    if (this.#replaced.any) {
      const path = join(this.#staging, TAR_SPLIT);
      await this.#replaced.rewrite(path, `${path}.new`, this.#crc);
      renameSync(`${path}.new`, path);
      if (this.#replaced.links) await this.#checkReachable(path);
    }
    return { ...extracted, entries: this.#reader.entries, tarSize: this.#reader.offset, size: this.#size };
  }

  /** ERR_LAYER_HOSTILE when the tar cannot be had back. */
  async #checkReachable(tarSplit: string): Promise<void> {
    try {
      await assembleTar({ tarSplit, files: this.#diff, crc: this.#crc, sink: () => {} });
    } catch (cause) {
      const message = 'layer: a symlink is replaced after an entry went through it';
      throw new GantryError('ERR_LAYER_HOSTILE', message, {}, { cause });
    }
  }

  /** Releases descriptors, also after an error; what stands on disk is the caller's to publish or remove. */
  close(): void {
    this.#extractor.close();
    this.#tarSplit.close();
    this.#replaced.dispose();
  }
}
