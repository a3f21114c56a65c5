/** What a pull would do: for `--dry-run`, and for the check for free space before a byte of layer is fetched. */
import type { Digest } from '../core/digest/digest.js';
import type { Reference } from '../registry/reference.js';
import { type FreeSpace, freeSpace, type NeededSpace } from './free-space.js';
import { type PullTarget, resolvedLayers } from './pull-target.js';
import type { Store } from './store.js';

export interface PlannedLayer {
  readonly digest: Digest;
  readonly size: number;
}

export interface PullPlan {
  readonly reference: string;
  readonly digest: Digest;
  readonly platform: string;
  readonly fetch: readonly PlannedLayer[];
  readonly reuse: readonly PlannedLayer[];
  /** Compressed bytes. */
  readonly bytesToFetch: number;
  readonly bytesReused: number;
  /** An estimate: the manifest does not tell unpacked sizes. */
  readonly diskNeeded: number;
  readonly freeBytes: number;
  readonly freeInodes: number;
}

/** Unpacked bytes on disk for a byte of compressed layer; the bench images have 2.3 (binaries) to 4.5 (small files). */
const INFLATES = 3;
/** `counted` are layers that an earlier image of the same command already fetches; they are added to. */
export function planTarget(
  store: Store,
  target: PullTarget,
  counted: Set<string>,
  free: FreeSpace,
): PullPlan {
  const fetch: PlannedLayer[] = [];
  const reuse: PlannedLayer[] = [];
  let diskNeeded = 0;
  for (const [index, { state, digest, size, chainID }] of resolvedLayers(store, target).entries()) {
    const wanted = state === 'fetch' && !counted.has(chainID);
    counted.add(chainID);
    (wanted ? fetch : reuse).push({ digest, size });
    if (wanted) diskNeeded += size * (target.layers[index]?.compression === 'none' ? 1 : INFLATES);
  }
  const sum = (layers: readonly PlannedLayer[]): number =>
    layers.reduce((total, { size }) => total + size, 0);
  return {
    reference: target.label,
    digest: target.image.topDigest,
    platform: target.platform,
    fetch,
    reuse,
    bytesToFetch: sum(fetch),
    bytesReused: sum(reuse),
    diskNeeded,
    freeBytes: free.bytes,
    freeInodes: free.inodes,
  };
}

/** What the plans need together. */
export function neededSpace(plans: readonly PullPlan[]): NeededSpace {
  const sum = (of: (plan: PullPlan) => number): number => plans.reduce((total, plan) => total + of(plan), 0);
  return {
    layers: sum(({ fetch }) => fetch.length),
    bytes: sum(({ bytesToFetch }) => bytesToFetch),
    unpacked: sum(({ diskNeeded }) => diskNeeded),
    purpose: 'to fetch',
  };
}

/** Plans without fetching a layer or changing the store. */
export async function planPull(
  store: Store,
  references: readonly Reference[],
  options: { readonly platform?: string; readonly signal?: AbortSignal },
): Promise<PullPlan[]> {
  const { openResolver } = await import('./pull-resolve.js');
  const resolver = await openResolver(options);
  try {
    const targets = await Promise.all(references.map((reference) => resolver.resolve(reference)));
    const counted = new Set<string>();
    const free = freeSpace(store.root);
    return targets.map((target) => planTarget(store, target, counted, free));
  } finally {
    resolver.close();
  }
}
