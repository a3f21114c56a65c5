/**
 * Verified layers whose parent is not in yet, or whose pull failed: kept for the next pull of this boot.
 *
 *   <root>/gantry/ready/<chain hex>/{diff/, tar-split.json.gz, receipt.json}
 *   receipt.json: {"bootID":"…","cacheID":"…","receipt":{…LayerReceipt}}
 *
 * They appear and go by rename. Their files are not synced, so after a reboot they are dropped, not adopted. Who calls
 * park, get or drop for a chainID holds its lock.
 */
import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { type ChainID, hexOf } from '../core/digest/digest.js';
import { errnoCode } from '../core/errors.js';
import { type CacheID, newCacheID, parseCacheID } from '../core/ids.js';
import { removeTree } from '../core/remove-tree.js';
import type { LayerReceipt } from '../layer/receipt.js';
import { chainIDsIn } from './chain-folder.js';

export interface ParkedLayer {
  readonly chainID: ChainID;
  readonly cacheID: CacheID;
  readonly dir: string;
  readonly receipt: LayerReceipt;
}

interface ParkedRecord {
  readonly bootID: string;
  readonly cacheID: string;
  readonly receipt: LayerReceipt;
}

export const TAR_SPLIT = 'tar-split.json.gz';
const RECEIPT = 'receipt.json';

export class ParkedLayers {
  readonly #ready: string;
  readonly #tmp: string;
  readonly #bootID: string;

  constructor(options: { readonly ready: string; readonly tmp: string; readonly bootID: string }) {
    this.#ready = options.ready;
    this.#tmp = options.tmp;
    this.#bootID = options.bootID;
  }

  /** Moves the directory `from` here, in place of what may be left of an earlier one. */
  async park(
    chainID: ChainID,
    from: { readonly dir: string; readonly cacheID: CacheID },
    receipt: LayerReceipt,
  ): Promise<ParkedLayer> {
    const record: ParkedRecord = { bootID: this.#bootID, cacheID: from.cacheID, receipt };
    writeFileAtomic(join(from.dir, RECEIPT), JSON.stringify(record));
    await this.drop(chainID);
    mkdirSync(this.#ready, { recursive: true, mode: 0o700 });
    const dir = this.#path(chainID);
    renameSync(from.dir, dir);
    return { chainID, cacheID: from.cacheID, dir, receipt };
  }

  /** Undefined when there is none, when it is not whole, or when it was parked before a reboot. */
  get(chainID: ChainID): ParkedLayer | undefined {
    const dir = this.#path(chainID);
    try {
      const record = JSON.parse(readFileSync(join(dir, RECEIPT), 'utf8')) as ParkedRecord;
      if (record.bootID !== this.#bootID || !statSync(join(dir, 'diff')).isDirectory()) return undefined;
      statSync(join(dir, TAR_SPLIT));
      return { chainID, cacheID: parseCacheID(record.cacheID), dir, receipt: record.receipt };
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async drop(chainID: ChainID): Promise<void> {
    const away = join(this.#tmp, `${newCacheID()}-removing`);
    mkdirSync(this.#tmp, { recursive: true, mode: 0o700 });
    try {
      renameSync(this.#path(chainID), away);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return;
      throw error;
    }
    await removeTree(away);
  }

  list(): ChainID[] {
    return chainIDsIn(this.#ready);
  }

  #path(chainID: ChainID): string {
    return join(this.#ready, hexOf(chainID));
  }
}
