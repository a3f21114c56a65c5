/** What a pull would do: `--dry-run`, and the check for free space before a byte of layer is fetched. */
import { mkdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Digest } from '../core/digest/digest.js';
import { errnoCode, GantryError } from '../core/errors.js';
import type { Reference } from '../registry/reference.js';
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
/** No layer is known to need fewer; a full inode table fails before the first file. */
const INODES_A_LAYER = 8;

export interface FreeSpace {
  readonly bytes: number;
  /** Infinity where the file system makes inodes as it needs them (btrfs, zfs report none). */
  readonly inodes: number;
}

/** Free space for the store, of the nearest directory that exists. */
export function freeSpace(root: string): FreeSpace {
  for (let path = root; ; path = dirname(path)) {
    try {
      const { bavail, bsize, ffree, files } = statfsSync(path);
      return { bytes: bavail * bsize, inodes: files === 0 ? Number.POSITIVE_INFINITY : ffree };
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT' || path === dirname(path)) throw error;
    }
  }
}

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

/**
 * ERR_NO_SPACE when the layers cannot fit: fewer free bytes than they have compressed, or too few inodes. Returns a
 * warning when they fit only if they inflate less than layers usually do.
 */
export function checkSpace(root: string, plans: readonly PullPlan[]): string | undefined {
  const toFetch = plans.reduce((total, plan) => total + plan.bytesToFetch, 0);
  if (toFetch === 0) return undefined;
  mkdirSync(root, { recursive: true, mode: 0o710 });
  const free = freeSpace(root);
  const layers = plans.reduce((total, plan) => total + plan.fetch.length, 0);
  const hint = 'gantry system prune, or another --root';
  if (free.bytes < toFetch) {
    throw new GantryError(
      'ERR_NO_SPACE',
      `${root}: ${toFetch} bytes of layers to fetch, ${free.bytes} bytes free`,
      { hint },
    );
  }
  if (free.inodes < layers * INODES_A_LAYER) {
    throw new GantryError('ERR_NO_SPACE', `${root}: ${layers} layers to unpack, ${free.inodes} inodes free`, {
      hint,
    });
  }
  const needed = plans.reduce((total, plan) => total + plan.diskNeeded, 0);
  if (free.bytes >= needed) return undefined;
  return `${root} has ${free.bytes} bytes free; the layers may need about ${needed} when unpacked`;
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
