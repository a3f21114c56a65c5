/**
 * A layer on disk against what was verified when it came: every file's attributes against its tar header, its contents
 * against tar-split's CRC-64, and nothing there that the tar does not explain. `deep` also rebuilds the tar and hashes it,
 * which alone finds a tar-split that was changed on purpose.
 *
 * Invariant: it only reads.
 */
import { type BigIntStats, closeSync, constants, openSync } from 'node:fs';
import type { Crc64 } from '../core/digest/crc64.js';
import type { DiffID } from '../core/digest/digest.js';
import type { Hasher } from '../core/digest/hasher.js';
import { GantryError, isGantryError } from '../core/errors.js';
import type { ProgressWords } from '../core/progress-words.js';
import { type Change, walkChanges } from './changes.js';
import { type Difference, differences, implicitDifferences } from './compare-node.js';
import { parentOf } from './entry-path.js';
import type { ExpectedNode, ExpectedTree } from './expected-tree.js';
import { FileContents } from './file-contents.js';
import { readExpectedTree } from './read-expected.js';
import { assembleTar } from './tar-split-assembler.js';

export interface FileFault extends Difference {
  /** For people; '' is the layer's root. */
  readonly path: string;
}

export interface LayerCheck {
  readonly faults: readonly FileFault[];
  /** Faults beyond those told. */
  readonly more: number;
  /** False when nothing else could be checked. */
  readonly tarSplit: boolean;
  readonly files: number;
  /** Of contents, read for their checksums. */
  readonly bytes: number;
}

export interface CheckLayerOptions {
  readonly tarSplit: string;
  /** The layer's `diff/`. */
  readonly files: string;
  readonly crc: Crc64;
  /** What the layers below show at a path (latin1, '' is the root); undefined when they are damaged themselves. */
  readonly below: ((path: string) => BigIntStats | undefined) | undefined;
  readonly deep?: { readonly hash: Hasher; readonly diffID: DiffID };
  /** `bytesIn` is what was read; `cancel` ends the work with ERR_CANCELED. */
  readonly words: ProgressWords;
}

/** A layer that lost its disk would tell of every file. */
const MOST_TOLD = 50;

/** ERR_SYSCALL for a disk that cannot be read, ERR_CANCELED. What is wrong with the layer is in the answer. */
export async function checkLayer(options: CheckLayerOptions): Promise<LayerCheck> {
  let tree: ExpectedTree;
  try {
    tree = await readExpectedTree(options.tarSplit, options.crc);
  } catch (error) {
    if (!isGantryError(error, 'ERR_STORE_CORRUPT')) throw error;
    const fault = {
      path: '',
      what: 'tar-split',
      expected: "the headers of the layer's tar",
      found: error.message,
    };
    return { faults: [fault], more: 0, tarSplit: false, files: 0, bytes: 0 };
  }
  const check = new LayerChecker(tree, options);
  const wrong = options.deep === undefined ? undefined : await check.rebuild(options.deep);
  check.walk(wrong === undefined && options.deep !== undefined);
  if (wrong !== undefined && check.faults.length === 0) check.faults.push(wrong);
  const told = check.faults.slice(0, MOST_TOLD);
  const { files, bytes } = check;
  return { faults: told, more: check.faults.length - told.length, tarSplit: true, files, bytes };
}

class LayerChecker {
  readonly faults: FileFault[] = [];
  files = 0;
  bytes = 0;
  readonly #tree: ExpectedTree;
  readonly #options: CheckLayerOptions;
  readonly #contents: FileContents;
  readonly #seen = new Set<string>();
  readonly #inodes = new Map<ExpectedNode, bigint>();
  /** Directories, as the tar has it, that are something else: what is in them is not told one by one. */
  readonly #lost = new Set<string>();
  #extra: string | undefined;

  constructor(tree: ExpectedTree, options: CheckLayerOptions) {
    this.#tree = tree;
    this.#options = options;
    this.#contents = new FileContents(options.crc, (count) => this.#read(count));
  }

  /** Rebuilds the tar. What is wrong with it as a whole; which file it is, the walk tells. */
  async rebuild({ hash, diffID }: NonNullable<CheckLayerOptions['deep']>): Promise<FileFault | undefined> {
    const { tarSplit, files, crc } = this.#options;
    hash.reset();
    let found: string;
    try {
      const sink = (bytes: Uint8Array): void => {
        hash.update(bytes);
        this.#read(bytes.length);
      };
      await assembleTar({ tarSplit, files, crc, sink });
      found = hash.digest();
    } catch (error) {
      if (!isGantryError(error, 'ERR_STORE_CORRUPT')) throw error;
      found = error.message;
    }
    return found === diffID ? undefined : { path: '', what: 'tar', expected: diffID, found };
  }

  /** `contentsKnown`: the tar was rebuilt from them, which says nothing of sparse files. */
  walk(contentsKnown: boolean): void {
    const root = openSync(this.#options.files, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      for (const change of walkChanges(root)) this.#visit(change, contentsKnown);
    } catch (error) {
      if (!isGantryError(error, 'ERR_UNSUPPORTED')) throw error;
      this.faults.push({ path: '', what: 'files', expected: 'those of a layer', found: error.message });
      return;
    } finally {
      closeSync(root);
    }
    const enter = (path: string): boolean => !this.#lost.has(path) && (path === '' || this.#seen.has(path));
    for (const [path, node] of this.#tree.paths(enter)) if (!this.#seen.has(path)) this.#missing(path, node);
  }

  #visit(change: Change, contentsKnown: boolean): void {
    const { path } = change;
    this.#read(0);
    if (this.#extra !== undefined && path.startsWith(`${this.#extra}/`)) return;
    const node = this.#tree.find(path);
    this.#seen.add(path);
    this.files++;
    if (node === undefined) {
      this.#extra = path;
      this.#fault(path, { what: 'file', expected: 'none', found: change.entry?.type ?? change.kind });
      return;
    }
    // dockerd does not keep the time that a tar gives the root.
    const differs = this.#compare(node, change).filter(({ what }) => path !== '' || what !== 'mtime');
    for (const difference of differs) this.#fault(path, difference);
    if (differs.some(({ what }) => what === 'type')) this.#lost.add(path);
    else if (node.entry?.type === 'file') this.#file(node, change, contentsKnown);
  }

  #compare(node: ExpectedNode, change: Change): Difference[] {
    switch (node.kind) {
      case 'entry':
        return differences(node, change);
      case 'implicit':
        return this.#implicit(node, change);
      case 'whiteout':
        return change.kind === 'whiteout'
          ? []
          : [{ what: 'type', expected: 'whiteout', found: change.entry?.type ?? change.kind }];
    }
  }

  #implicit(node: ExpectedNode, change: Change): Difference[] {
    const { below } = this.#options;
    if (below === undefined)
      return change.entry?.type === 'directory' ? [] : implicitDifferences(node, change);
    return implicitDifferences(node, change, change.insideOpaque ? undefined : below(change.path));
  }

  #file(node: ExpectedNode, { path, fd, stat }: Change, contentsKnown: boolean): void {
    const inode = this.#inodes.get(node);
    if (inode !== undefined) {
      if (inode !== stat.ino)
        this.#fault(path, { what: 'inode', expected: `${inode}, a hard link`, found: `${stat.ino}` });
      return;
    }
    this.#inodes.set(node, stat.ino);
    const { size, sparse } = node.entry!;
    if (BigInt(size) !== stat.size || (contentsKnown && sparse === undefined) || size === 0) return;
    const expected = node.crc?.toString('hex') ?? '0000000000000000';
    const found = this.#contents.sum(fd, size, sparse);
    if (found !== expected) this.#fault(path, { what: 'CRC-64', expected, found });
  }

  #missing(path: string, node: ExpectedNode): void {
    // One that hides nothing is not there; docker leaves it.
    if (node.kind === 'whiteout' && (this.#insideOpaque(path) || this.#options.below?.(path) === undefined))
      return;
    this.#fault(path, { what: 'file', expected: node.entry?.type ?? kindText(node), found: 'none' });
  }

  #insideOpaque(path: string): boolean {
    for (let at = path; at !== ''; ) {
      at = parentOf(at);
      if (this.#tree.find(at)?.opaque !== 'no') return true;
    }
    return false;
  }

  #fault(path: string, difference: Difference): void {
    this.faults.push({ path: Buffer.from(path, 'latin1').toString(), ...difference });
  }

  #read(count: number): void {
    const { words } = this.#options;
    if (words.canceled) throw new GantryError('ERR_CANCELED', 'checkLayer: canceled');
    this.bytes += count;
    if (count > 0) words.set('bytesIn', this.bytes);
  }
}

const kindText = ({ kind }: ExpectedNode): string => (kind === 'implicit' ? 'directory' : kind);
