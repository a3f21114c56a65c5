/**
 * Which layers are not known to be on disk (see durability.ts).
 *
 *   <root>/gantry/durability/<chain hex>     boot id of the commit; the file's mtime is the time of the commit
 */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { type ChainID, hexOf } from '../core/digest/digest.js';
import { errnoCode } from '../core/errors.js';
import { chainIDsIn } from './chain-folder.js';

export interface DurabilityMark {
  readonly chainID: ChainID;
  /** '' when a crash took it. */
  readonly bootID: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export class DurabilityMarks {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get(chainID: ChainID): DurabilityMark | undefined {
    const file = this.#path(chainID);
    try {
      return { chainID, bootID: readFileSync(file, 'utf8').trim(), time: statSync(file).mtimeMs };
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  set(chainID: ChainID, bootID: string): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    writeFileAtomic(this.#path(chainID), bootID);
  }

  drop(chainID: ChainID): void {
    rmSync(this.#path(chainID), { force: true });
  }

  list(): DurabilityMark[] {
    return chainIDsIn(this.#directory).flatMap((chainID) => this.get(chainID) ?? []);
  }

  #path(chainID: ChainID): string {
    return join(this.#directory, hexOf(chainID));
  }
}
