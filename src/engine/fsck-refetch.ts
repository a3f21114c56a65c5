/** What a repair takes from registries: layers by the blobs that the distribution maps name, configs by their names. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ChainID, type ImageID, imageIDOf } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError, isGantryError } from '../core/errors.js';
import { VERSION } from '../core/version.js';
import { RegistryClient } from '../registry/client.js';
import { parseReference } from '../registry/reference.js';
import { LayerFetcher } from './layer-fetcher.js';
import type { LayerOrigin } from './layer-origins.js';
import type { Pool } from './pool.js';
import type { PullEvent } from './pull-events.js';
import { openResolver } from './pull-resolve.js';
import type { TargetLayer } from './pull-target.js';
import type { Store } from './store.js';

export interface RefetchOptions {
  readonly hash: HashBackend;
  readonly signal: AbortSignal;
  readonly onFetch: (event: PullEvent) => void;
}

/** Each verified, then exchanged. Bases first in `chainIDs`. Gives the reason for each that did not come. */
export async function refetchLayers(
  store: Store,
  pool: Pool,
  chainIDs: readonly ChainID[],
  origins: ReadonlyMap<ChainID, LayerOrigin>,
  { hash, signal, onFetch }: RefetchOptions,
): Promise<Map<ChainID, string>> {
  const failed = new Map<ChainID, string>();
  const client = new RegistryClient({ userAgent: VERSION });
  mkdirSync(join(store.root, 'gantry', 'partial'), { recursive: true, mode: 0o700 });
  const { threads } = pool;
  const fetcher = new LayerFetcher({ store, pool: () => pool, threads, hash, onEvent: onFetch });
  const fail = (chainID: ChainID, error: unknown): void => {
    if (!isGantryError(error) || error.code === 'ERR_CANCELED') throw error;
    failed.set(chainID, error.message);
  };
  try {
    const targets: TargetLayer[] = [];
    for (const chainID of chainIDs) {
      try {
        await refuseMounted(store, chainID);
        targets.push(await target(store, client, chainID, origins.get(chainID)!, signal));
        store.layers.distrust(chainID);
      } catch (error) {
        fail(chainID, error);
      }
    }
    const fetching = targets.map((layer) => fetcher.bring([layer], signal));
    for (const [index, result] of (await Promise.allSettled(fetching)).entries()) {
      if (result.status === 'rejected') fail(targets[index]!.chainID, result.reason);
    }
    return failed;
  } finally {
    fetcher.close();
    client.close();
  }
}

async function refuseMounted(store: Store, chainID: ChainID): Promise<void> {
  const container = await store.layers.mountedBy(chainID);
  if (container === undefined) return;
  const name = container.slice(0, 12);
  throw new GantryError(
    'ERR_IN_USE',
    `container ${name} has it mounted: gantry stop ${name}, then repair again`,
  );
}

/** The newest source that still has the blob. */
async function target(
  store: Store,
  client: RegistryClient,
  chainID: ChainID,
  { diffID, parent }: LayerOrigin,
  signal: AbortSignal,
): Promise<TargetLayer> {
  const reasons: string[] = [];
  for (const { digest, sourceRepository } of store.distribution.sourcesOf(diffID).reverse()) {
    try {
      const { source, size } = await client.blob(parseReference(sourceRepository), digest, { signal });
      return { chainID, parent, diffID, digest, size, compression: undefined, source };
    } catch (error) {
      if (!isGantryError(error) || error.code === 'ERR_CANCELED') throw error;
      reasons.push(`${sourceRepository}: ${error.message}`);
    }
  }
  throw new GantryError('ERR_NOT_FOUND', reasons.join('; ') || 'it came from no registry');
}

/** By the image's names. Gives the reason when none of them has it. */
export async function refetchConfig(
  store: Store,
  id: ImageID,
  { signal }: RefetchOptions,
): Promise<string | undefined> {
  const resolver = await openResolver({ signal });
  const reasons: string[] = [];
  try {
    for (const { reference } of store.tags.of(id).reverse()) {
      try {
        const { image } = await resolver.resolve(parseReference(reference));
        if (imageIDOf(image.config) === id) {
          store.images.put(image.config);
          return undefined;
        }
        reasons.push(`${reference} is another image now`);
      } catch (error) {
        if (!isGantryError(error) || error.code === 'ERR_CANCELED') throw error;
        reasons.push(error.message);
      }
    }
    return reasons.join('; ') || 'it has no name to ask a registry for';
  } finally {
    resolver.close();
  }
}
