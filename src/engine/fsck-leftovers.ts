/** What nothing refers to: directories and links that a kill left behind, and that no command is at work in. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isHeldDirectory } from '../core/held-directory.js';
import { containerIDs, mountOf } from './fsck-containers.js';
import type { Problem } from './fsck-problem.js';
import type { Store } from './store.js';

const namesIn = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).sort() : []);

export async function surveyLeftovers(store: Store): Promise<Problem[]> {
  const problems: Problem[] = [];
  const leftover = (where: string, what: string, expected: string): void => {
    problems.push({ where, what, expected, found: 'a leftover', remedy: { kind: 'sweep' } });
  };
  for (const id of unnamed(store)) leftover(`overlay2/${id}`, 'orphan', 'a layer or container that names it');
  for (const path of store.driver.loose()) leftover(`overlay2/${path}`, 'link', 'a directory that names it');
  const transactions = 'image/overlay2/layerdb/tmp';
  for (const name of namesIn(join(store.root, transactions))) {
    const chainID = store.layers.db.transactions().find((id) => id.endsWith(name));
    const held = chainID === undefined ? undefined : await store.layers.tryLock(chainID);
    if (chainID !== undefined && held === undefined) continue; // a commit is at it
    held?.release();
    leftover(`${transactions}/${name}`, 'transaction', 'none that nobody is at');
  }
  for (const name of namesIn(join(store.root, 'gantry', 'tmp'))) {
    if (isHeldDirectory(join(store.root, 'gantry', 'tmp', name))) continue;
    leftover(`gantry/tmp/${name}`, 'temporary directory', 'none that nobody is at');
  }
  for (const chainID of store.layers.listParked()) {
    if (store.layers.parked(chainID) !== undefined) continue;
    leftover(`gantry/ready/${chainID.slice('sha256:'.length)}`, 'parked layer', 'one of this boot');
  }
  return problems;
}

/** Driver directories that neither layerdb nor a container names, read without trust. */
function unnamed(store: Store): string[] {
  const ids = store.driver.list(); // before what names them: a layer is published first, then entered
  const { db } = store.layers;
  const known = new Set<string | undefined>(db.list().map((chainID) => db.entry(chainID).cacheID));
  for (const id of [...db.mounts.list(), ...containerIDs(store)]) {
    const mount = mountOf(store, id);
    if (typeof mount === 'object') known.add(mount.mountID).add(mount.initID);
    else known.add(id).add(`${id}-init`);
  }
  return ids.filter((id) => !known.has(id));
}
