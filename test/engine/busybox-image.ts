/** An image of one busybox layer in a store, without a pull. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chainIDOf } from '../../src/core/digest/digest.js';
import type { ContainerConfig } from '../../src/core/oci/image-config.js';
import type { ContainerImage } from '../../src/engine/create-container.js';
import type { Store } from '../../src/engine/store.js';
import { receiptOf, tarSplitOf } from '../helpers/layer-fixture.js';
import { busyboxRootfs } from '../runtime/busybox.js';

export async function busyboxImage(store: Store, config: ContainerConfig = {}): Promise<ContainerImage> {
  const receipt = receiptOf({ busybox: '' });
  const chainID = chainIDOf(undefined, receipt.diffID);
  if (store.layers.get(chainID) === undefined) {
    const staging = await store.layers.stage();
    busyboxRootfs(staging.diff);
    mkdirSync(join(staging.diff, 'data/sub'));
    writeFileSync(join(staging.dir, 'tar-split.json.gz'), await tarSplitOf({}));
    await store.layers.commit(await store.layers.park(chainID, staging, receipt), undefined);
  }
  const document = {
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['sh'], ...config },
    rootfs: { type: 'layers', diff_ids: [receipt.diffID] },
  };
  const id = store.images.put(Buffer.from(JSON.stringify(document)));
  return { id, config: store.images.get(id)!.config };
}
