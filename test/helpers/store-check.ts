/** What must hold of a store at any instant, however its last writer ended (DESIGN §3). */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCrc64 } from '../../src/core/digest/crc64.js';
import { chainIDsOf } from '../../src/core/digest/digest.js';
import { openStore } from '../../src/engine/store.js';
import { assembleTar } from '../../src/layer/tar-split-assembler.js';

/** One line for each thing that is wrong; leftovers that the next command sweeps are not. */
export function inconsistencies(root: string): string[] {
  if (!existsSync(root)) return [];
  const store = openStore(root);
  const wrong: string[] = [];
  for (const chainID of store.layers.db.list()) {
    if (store.layers.get(chainID) === undefined) wrong.push(`layerdb entry ${chainID} is not whole`);
  }
  const { images, corrupt } = store.images.all();
  for (const id of corrupt) wrong.push(`image config ${JSON.stringify(id)} is damaged`);
  const ids = new Set(images.map(({ id }) => id));
  for (const { id, config } of images) {
    for (const chainID of chainIDsOf(config.rootfs.diff_ids ?? [])) {
      if (store.layers.get(chainID) === undefined) wrong.push(`image ${id}: layer ${chainID} is missing`);
    }
  }
  for (const { reference, imageID } of store.tags.all()) {
    if (!ids.has(imageID)) wrong.push(`tag ${reference}: image ${imageID} is missing`);
  }
  return wrong;
}

/** What a store holds beside its layers: to be nothing after a prune. */
export function leftovers(root: string): string[] {
  const list = (...path: string[]): string[] => {
    const dir = join(root, ...path);
    return existsSync(dir) ? readdirSync(dir).map((name) => join(...path, name)) : [];
  };
  const unreferenced = openStore(root)
    .layers.unreferenced()
    .map((id) => join('overlay2', id));
  return [
    ...unreferenced,
    ...list('gantry/tmp'),
    ...list('gantry/ready'),
    ...list('gantry/partial'),
    ...list('image/overlay2/layerdb/tmp'),
  ];
}

/** Rebuilds every layer's tar; one line for each that is not what its diffID says. */
export async function damagedLayers(root: string): Promise<string[]> {
  const store = openStore(root);
  const wrong: string[] = [];
  const crc = await createCrc64();
  for (const { chainID, diffID, cacheID } of store.layers.list()) {
    const hash = createHash('sha256');
    const tarSplit = store.layers.db.tarSplit(chainID);
    await assembleTar({
      tarSplit,
      files: store.driver.files(cacheID),
      crc,
      sink: (bytes) => void hash.update(bytes),
    });
    const found = `sha256:${hash.digest('hex')}`;
    if (found !== diffID) wrong.push(`layer ${chainID}: expected ${diffID}, found ${found}`);
  }
  return wrong;
}
