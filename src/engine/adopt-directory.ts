/**
 * The directory of a layer whose `cache-id` was lost: of those that nothing names the one whose files are the layer's, by
 * the whole check of its tar-split.
 */
import type { ChainID } from '../core/digest/digest.js';
import type { CacheID } from '../core/ids.js';
import { ProgressWords } from '../core/progress-words.js';
import { lowersOf } from './fsck-layers.js';
import type { LayerOrigin } from './layer-origins.js';
import type { Store } from './store.js';

export async function adoptableDirectory(
  store: Store,
  chainID: ChainID,
  { parent }: LayerOrigin,
): Promise<CacheID | undefined> {
  const { checkLayer } = await import('../layer/check-layer.js');
  const { createCrc64 } = await import('../core/digest/crc64.js');
  const { LowerView } = await import('../overlay/lower-view.js');
  const lowers = lowersOf(store, parent);
  if (lowers === undefined) return undefined;
  const crc = await createCrc64();
  for (const id of store.layers.unreferenced()) {
    const view = new LowerView(lowers);
    try {
      const { faults } = await checkLayer({
        tarSplit: store.layers.db.tarSplit(chainID),
        files: store.driver.files(id),
        crc,
        below: (path) => view.find(path),
        words: new ProgressWords(),
      });
      if (faults.length === 0) return id;
    } finally {
      view.close();
    }
  }
  return undefined;
}
