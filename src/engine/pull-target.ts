/** One image of a pull, resolved: its layers bottom first, each with the place it takes in the chain. */
import type { FileSource } from '../../workers/layer.js';
import {
  algorithmOf,
  type ChainID,
  chainIDsOf,
  type DiffID,
  type Digest,
  shortID,
} from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { layerCompression } from '../core/oci/media-types.js';
import type { ResolvedImage } from '../registry/client.js';
import type { BlobSource } from '../registry/endpoint.js';
import { canonicalString, name, type Reference, withDefaultTag } from '../registry/reference.js';
import type { ResolvedLayer } from './pull-events.js';
import type { Store } from './store.js';

export interface TargetLayer {
  readonly chainID: ChainID;
  readonly parent: ChainID | undefined;
  readonly diffID: DiffID;
  readonly digest: Digest;
  readonly size: number;
  readonly compression: ReturnType<typeof layerCompression>;
  readonly source: BlobSource | FileSource;
}

export interface PullTarget {
  readonly image: ResolvedImage;
  /** As events name it: with domain and default tag. */
  readonly label: string;
  /** "docker.io/library/redis", what distribution records as the source. */
  readonly repository: string;
  readonly platform: string;
  readonly layers: readonly TargetLayer[];
}

export const labelOf = (reference: Reference): string => canonicalString(withDefaultTag(reference));

/**
 * Joins manifest and config: the n-th layer's blob is the n-th diffID (the client checked that they pair).
 * ERR_UNSUPPORTED for a diffID of another algorithm than sha256: Docker's layerdb lists layers of that one only, so its
 * files would be nobody's to the next prune.
 */
export function targetOf(reference: Reference, image: ResolvedImage): PullTarget {
  const diffIDs = image.imageConfig.rootfs.diff_ids ?? [];
  const odd = diffIDs.find((diffID) => algorithmOf(diffID) !== 'sha256');
  if (odd !== undefined) {
    throw new GantryError(
      'ERR_UNSUPPORTED',
      `${labelOf(reference)}: expected diffIDs by sha256, found ${odd}`,
    );
  }
  const chain = chainIDsOf(diffIDs);
  const { os, architecture, variant } = image.imageConfig;
  return {
    image,
    label: labelOf(reference),
    repository: name(reference),
    platform: [os, architecture, ...(variant ? [variant] : [])].join('/'),
    layers: image.manifest.layers.map((layer, index) => ({
      chainID: chain[index] as ChainID,
      parent: chain[index - 1],
      diffID: diffIDs[index] as DiffID,
      digest: layer.digest,
      size: layer.size,
      compression: layerCompression(layer.mediaType),
      source: image.source,
    })),
  };
}

/** The layers with what the store has of them. A parked layer needs no fetching either. */
export function resolvedLayers(store: Store, target: PullTarget): ResolvedLayer[] {
  return target.layers.map(({ digest, diffID, chainID, size }) => {
    const here = store.layers.isWhole(chainID) || store.layers.parked(chainID) !== undefined;
    return { digest, diffID, chainID, size, state: here ? 'exists' : 'fetch' };
  });
}

export const layerName = (layer: Pick<TargetLayer, 'digest'>): string => shortID(layer.digest);
