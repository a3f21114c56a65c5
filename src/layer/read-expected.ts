/** tar-split back to the tree that its tar makes: headers are read as they were when the layer was unpacked. */
import type { Crc64 } from '../core/digest/crc64.js';
import { GantryError } from '../core/errors.js';
import type { TarEntry } from '../core/tar/entry.js';
import { type TarHandler, TarReader } from '../core/tar/reader.js';
import { type ExpectedNode, ExpectedTree } from './expected-tree.js';
import { readTarSplit } from './tar-split-reader.js';

/** Fills the tree; of contents it sees only what tar-split holds itself: those of sparse and of replaced files. */
class TreeHandler implements TarHandler {
  readonly tree = new ExpectedTree();
  readonly #crc: Crc64;
  #node: ExpectedNode | undefined;
  #entry: TarEntry | undefined;
  #inline = false;

  constructor(crc: Crc64) {
    this.#crc = crc;
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    this.#node = this.tree.add(entry);
    this.#inline = false;
    this.#crc.reset();
  }

  /** The contents of the current entry lie in the layer's file. */
  contents(size: number, sum: Buffer | undefined): void {
    if (this.#entry?.type !== 'file' || this.#entry.size !== size || this.#node === undefined) {
      throw new GantryError('ERR_STORE_CORRUPT', `expected the contents of a file, found ${size} bytes`);
    }
    this.#node.crc = sum;
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#crc.update(bytes, start, end);
    this.#inline = true;
  }

  end(): void {
    if (this.#inline && this.#node !== undefined) this.#node.crc = Buffer.from(this.#crc.digest());
  }

  raw(): void {}
}

/** ERR_STORE_CORRUPT when the file is damaged or holds no layer's tar. */
export async function readExpectedTree(tarSplit: string, crc: Crc64): Promise<ExpectedTree> {
  const handler = new TreeHandler(crc);
  const reader = new TarReader(handler);
  try {
    for await (const entry of readTarSplit(tarSplit)) {
      if (entry.type === 'segment') reader.write(entry.bytes, 0, entry.bytes.length);
      else if (entry.size > 0) {
        handler.contents(entry.size, entry.crc);
        reader.skip(entry.size);
      }
    }
    reader.finish();
  } catch (cause) {
    if (!(cause instanceof GantryError)) throw cause;
    throw new GantryError(
      'ERR_STORE_CORRUPT',
      `${tarSplit}: ${cause.message}`,
      { file: tarSplit },
      { cause },
    );
  }
  return handler.tree;
}
