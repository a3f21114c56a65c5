/** Layers of the store as blobs: what push uploads and what archives hold. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import type { ChainID, Digest } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { newCacheID } from '../core/ids.js';
import { LAYER_TYPE, type LayerCompression } from '../core/oci/media-types.js';
import { ProgressWords } from '../core/progress-words.js';
import { removeTree } from '../core/remove-tree.js';
import type { WrittenBlob } from '../layer/layer-blob.js';
import type { Pool } from './pool.js';
import type { Store } from './store.js';

export interface LayerBlob {
  /** A file of its own under `<root>/gantry/tmp`. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
  /** Takes the file away. What a killed process leaves is taken by the next sweep. */
  remove(): Promise<void>;
}

export interface LayerBlobOptions {
  readonly compression: CompressionSpec<LayerCompression>;
  readonly hash: HashBackend;
  readonly signal: AbortSignal;
  /** For progress: `bytesIn` of the tar, `bytesOut` of the blob. */
  readonly words?: ProgressWords;
}

/**
 * Makes a layer's blob, in the pool; the same bytes each time on one host. ERR_NOT_FOUND when the layer is not in the
 * store, ERR_STORE_CORRUPT when it is not what it was, ERR_NO_SPACE, ERR_CANCELED.
 */
export async function makeLayerBlob(
  store: Store,
  pool: Pool,
  chainID: ChainID,
  options: LayerBlobOptions,
): Promise<LayerBlob> {
  const { makeHeldDirectory } = await import('../core/held-directory.js');
  const held = makeHeldDirectory(join(store.root, 'gantry', 'tmp'), newCacheID);
  const remove = async (): Promise<void> => {
    await removeTree(held.path);
    held.release();
  };
  const path = join(held.path, 'blob');
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      const { digest, size } = await writeLayer(store, pool, chainID, { ...options, fd });
      return { path, digest, size, mediaType: LAYER_TYPE[options.compression.format], remove };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    await remove();
    throw error;
  }
}

export interface WriteLayerOptions extends Omit<LayerBlobOptions, 'compression'> {
  readonly compression: CompressionSpec;
  /** Open until the promise is settled. */
  readonly fd: number;
  readonly position?: number;
}

/** Writes a layer to a descriptor, in the pool. Throws as `makeLayerBlob`. */
export async function writeLayer(
  store: Store,
  pool: Pool,
  chainID: ChainID,
  options: WriteLayerOptions,
): Promise<WrittenBlob> {
  const { signal, words = new ProgressWords(), ...rest } = options;
  const layer = store.layers.get(chainID);
  if (layer === undefined) {
    throw new GantryError('ERR_NOT_FOUND', `layer ${chainID} is not in the store`, {
      hint: 'pull the image again',
    });
  }
  const cancel = (): void => words.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await pool.run('layerBlob', {
      ...rest,
      tarSplit: store.layers.db.tarSplit(chainID),
      files: store.driver.files(layer.cacheID),
      diffID: layer.diffID,
      words: words.shared,
    });
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
