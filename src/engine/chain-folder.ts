/** Folders whose entries are named for layers: the hex of a chainID. */
import { readdirSync } from 'node:fs';
import { type ChainID, parseChainID } from '../core/digest/digest.js';
import { errnoCode } from '../core/errors.js';

/** Other names are left out; a folder that is not there is empty. */
export function chainIDsIn(folder: string): ChainID[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => parseChainID(`sha256:${name}`));
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}
