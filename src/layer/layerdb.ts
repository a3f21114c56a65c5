/**
 * What is known of a layer, by chainID: Docker's layerdb.
 *
 *   layerdb/sha256/<chain hex>/cache-id            64 hex: the directory that the layer driver keeps
 *                             /diff                sha256:<diffID>
 *                             /parent              sha256:<chainID>; not there for a base layer
 *                             /size                bytes, decimal
 *                             /tar-split.json.gz   how to rebuild the layer's tar (tar-split-reader.ts)
 *   layerdb/mounts/<container id>/{mount-id,init-id,parent}
 *   layerdb/tmp/<chain hex>                        a transaction, of who holds the layer's lock
 *   layerdb/tmp/<chain hex>-<random>-removing      a removal that is under way or was cut short
 *
 * Invariant: an entry appears and disappears as a whole, by rename. An entry with a missing or empty file (a power
 * cut, moby#44909) reads as absent and is replaced by the next commit.
 */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { type ChainID, type DiffID, hexOf, parseChainID } from '../core/digest/digest.js';
import { errnoCode } from '../core/errors.js';
import { type CacheID, parseCacheID } from '../core/ids.js';
import { LayerMounts } from './layer-mounts.js';
import { type LayerEntry, readEntry } from './layerdb-entry.js';

export interface LayerRecord {
  readonly chainID: ChainID;
  readonly diffID: DiffID;
  readonly parent?: ChainID;
  readonly cacheID: CacheID;
  /** Bytes of the files in the layer, as Docker counts them. */
  readonly size: number;
}

export interface Removal {
  readonly cacheID?: CacheID;
  /** Ends the removal; until then a sweep finds it and can go on. */
  finish(): void;
}

const HEX = /^[0-9a-f]{64}$/;
const MODE = { mode: 0o644 } as const;

export class LayerDB {
  readonly mounts: LayerMounts;
  readonly #directory: string;
  readonly #layers: string;
  readonly #tmp: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.#layers = join(directory, 'sha256');
    this.#tmp = join(directory, 'tmp');
    this.mounts = new LayerMounts(join(directory, 'mounts'), this.#tmp);
  }

  /** The record, or undefined when it is not there or not whole. Whether its parent is whole is not looked at. */
  get(chainID: ChainID): LayerRecord | undefined {
    return readRecord(chainID, join(this.#layers, hexOf(chainID)));
  }

  /** What can be read of an entry, and what is wrong with it. */
  entry(chainID: ChainID): LayerEntry {
    return readEntry(join(this.#layers, hexOf(chainID)));
  }

  tarSplit(chainID: ChainID): string {
    return join(this.#layers, hexOf(chainID), 'tar-split.json.gz');
  }

  list(): ChainID[] {
    return names(this.#layers)
      .filter((name) => HEX.test(name))
      .map((name) => parseChainID(`sha256:${name}`));
  }

  /**
   * Publishes a record; `tarSplit` is a file on the same file system, which is linked in. The caller holds the lock of
   * this layer. A whole entry that is there already stays and is returned; a damaged one is replaced.
   */
  write(record: LayerRecord, tarSplit: string): LayerRecord {
    const existing = this.get(record.chainID);
    if (existing !== undefined) return existing;
    const hex = hexOf(record.chainID);
    const transaction = join(this.#tmp, hex);
    rmSync(transaction, { recursive: true, force: true });
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    mkdirSync(this.#layers, { recursive: true, mode: 0o755 });
    mkdirSync(this.#tmp, { recursive: true, mode: 0o755 });
    mkdirSync(transaction, { mode: 0o700 });
    linkSync(tarSplit, join(transaction, 'tar-split.json.gz'));
    writeFileSync(join(transaction, 'size'), String(record.size), MODE);
    writeFileSync(join(transaction, 'cache-id'), record.cacheID, MODE);
    writeFileSync(join(transaction, 'diff'), record.diffID, MODE);
    if (record.parent !== undefined) writeFileSync(join(transaction, 'parent'), record.parent, MODE);
    this.#moveAway(hex)?.finish();
    renameSync(transaction, join(this.#layers, hex));
    return record;
  }

  /** Writes what an entry should say, file by file, each by rename; `tarSplit` is a file to take instead of its own. */
  mend(record: LayerRecord, tarSplit?: string): void {
    const directory = join(this.#layers, hexOf(record.chainID));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (tarSplit !== undefined) {
      const fresh = join(directory, '.tmp-tar-split');
      rmSync(fresh, { force: true });
      linkSync(tarSplit, fresh);
      renameSync(fresh, this.tarSplit(record.chainID));
    }
    const values = {
      size: String(record.size),
      'cache-id': record.cacheID,
      diff: record.diffID,
      parent: record.parent,
    } as const;
    for (const [name, value] of Object.entries(values)) {
      const file = join(directory, name);
      if (value === undefined) rmSync(file, { force: true });
      else if (read(file) !== value) writeFileAtomic(file, value, { ...MODE, sync: true });
    }
  }

  /** Takes the entry out by rename; undefined when there is none. The caller removes the driver's part, then finishes. */
  remove(chainID: ChainID): Removal | undefined {
    return this.#moveAway(hexOf(chainID));
  }

  /** Removals that a killed process left. */
  unfinishedRemovals(): Removal[] {
    return names(this.#tmp)
      .filter((name) => name.endsWith('-removing'))
      .map((name) => removalAt(join(this.#tmp, name)));
  }

  /** ChainIDs whose transaction directory is there: one is left over when the layer's lock is free. */
  transactions(): ChainID[] {
    return names(this.#tmp)
      .filter((name) => HEX.test(name))
      .map((name) => parseChainID(`sha256:${name}`));
  }

  /** The caller holds the lock of this layer. */
  dropTransaction(chainID: ChainID): void {
    rmSync(join(this.#tmp, hexOf(chainID)), { recursive: true, force: true });
  }

  /** Empties `tmp`, dockerd's leftovers included. The caller holds the store alone and ended the removals. */
  clearTransactions(): void {
    rmSync(this.#tmp, { recursive: true, force: true });
  }

  #moveAway(hex: string): Removal | undefined {
    if (!existsSync(join(this.#layers, hex))) return undefined;
    mkdirSync(this.#tmp, { recursive: true, mode: 0o755 });
    const away = join(this.#tmp, `${hex}-${randomBytes(4).toString('hex')}-removing`);
    try {
      renameSync(join(this.#layers, hex), away);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    return removalAt(away);
  }
}

function removalAt(directory: string): Removal {
  const finish = (): void => rmSync(directory, { recursive: true, force: true });
  const text = read(join(directory, 'cache-id'));
  return /^[a-f0-9]{64}$/.test(text) ? { cacheID: parseCacheID(text), finish } : { finish };
}

function readRecord(chainID: ChainID, directory: string): LayerRecord | undefined {
  const { faults, ...entry } = readEntry(directory);
  return faults.length > 0 ? undefined : ({ chainID, ...entry } as LayerRecord);
}

/** The text of a small file; '' when it is not there, which the reader rule treats like an empty one. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return '';
    throw error;
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}
