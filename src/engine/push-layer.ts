/**
 * Brings one layer into a repository, by the cheapest way there is:
 *
 *   1. a blob that the layer came as, or went as before, is there already            exists
 *   2. another repository of that registry has one: the registry mounts it           mounted
 *   3. the layer is packed again (the same bytes each time); that blob is there      exists
 *   4. it is uploaded                                                                pushed
 */
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import { sniffCompression } from '../core/compress/inflater.js';
import type { ChainID, DiffID, Digest } from '../core/digest/digest.js';
import { shortID } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import type { Descriptor } from '../core/oci/descriptor.js';
import { LAYER_TYPE, type LayerCompression } from '../core/oci/media-types.js';
import { ProgressWords } from '../core/progress-words.js';
import type { LayerSource } from '../image/distribution.js';
import type { PushTarget } from '../registry/push-target.js';
import { parseReference } from '../registry/reference.js';
import { blobStart, findBlob, mountBlob } from '../registry/upload.js';
import { makeLayerBlob } from './layer-blob.js';
import type { Pool } from './pool.js';
import type { PushEvent, PushLayerEvent, PushPhase } from './push-events.js';
import type { Store } from './store.js';

const TICK_MS = 100;
/** Blobs that are looked for; a layer that was pushed to more places is packed again sooner than all are asked. */
const MOST_LOOKED_FOR = 8;

export interface ImageLayer {
  readonly diffID: DiffID;
  readonly chainID: ChainID;
  /** Of its files. */
  readonly size: number;
  /** The blob that it last came as. */
  readonly pulledAs?: Digest;
}

export interface PushLayerOptions {
  readonly store: Store;
  readonly pool: () => Pool;
  readonly target: PushTarget;
  /** "localhost:5000/redis": the repository's canonical name. */
  readonly repository: string;
  readonly layer: ImageLayer;
  readonly compression: CompressionSpec<LayerCompression>;
  /** The user asked for this compression: a blob that is packed otherwise does not do. */
  readonly exactly: boolean;
  readonly hash: HashBackend;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PushEvent) => void;
}

export interface PushedLayer {
  readonly descriptor: Descriptor;
  readonly uploaded: number;
}

/** Throws what makeLayerBlob and uploadBlob throw. */
export async function pushLayer(o: PushLayerOptions): Promise<PushedLayer> {
  const { diffID } = o.layer;
  const tell = (phase: PushPhase, more: Partial<PushLayerEvent> = {}): void =>
    o.onEvent({
      event: 'layer',
      diffID,
      id: shortID(diffID),
      phase,
      bytes: 0,
      total: 0,
      retries: 0,
      ...more,
    });
  try {
    const found = (await known(o, tell)) ?? (await mounted(o, tell));
    return found === undefined ? await packed(o, tell) : { descriptor: found, uploaded: 0 };
  } catch (error) {
    tell('failed');
    throw error;
  }
}

type Tell = (phase: PushPhase, more?: Partial<PushLayerEvent>) => void;

/** What it was last pulled as before others, then the newest first. */
function sources({ store, layer }: PushLayerOptions): LayerSource[] {
  const all = store.distribution.sourcesOf(layer.diffID).toReversed();
  const pulled = ({ digest }: LayerSource): boolean => digest === layer.pulledAs;
  return [...all.filter(pulled), ...all.filter((source) => !pulled(source))].slice(0, MOST_LOOKED_FOR);
}

async function known(o: PushLayerOptions, tell: Tell): Promise<Descriptor | undefined> {
  for (const digest of new Set(sources(o).map((source) => source.digest))) {
    const found = await described(o, digest);
    if (found === undefined) continue;
    tell('exists', { bytes: found.size, total: found.size });
    return found;
  }
  return undefined;
}

async function mounted(o: PushLayerOptions, tell: Tell): Promise<Descriptor | undefined> {
  const { domain } = parseReference(o.repository);
  for (const { digest, sourceRepository } of sources(o)) {
    const from = parseReference(sourceRepository);
    if (from.domain !== domain || sourceRepository === o.repository) continue;
    if (!(await mountBlob(o.target, digest, from.path))) continue;
    const found = await described(o, digest);
    if (found === undefined) continue;
    tell('mounted', { from: sourceRepository });
    return found;
  }
  return undefined;
}

/** A blob of the repository as a manifest names it; undefined where it is not there or will not do. */
async function described(o: PushLayerOptions, digest: Digest): Promise<Descriptor | undefined> {
  const size = await findBlob(o.target, digest);
  if (size === undefined) return undefined;
  // The maps do not say how a blob is packed.
  const format = sniffCompression(await blobStart(o.target, digest, 4));
  if (format === 'lz4' || (o.exactly && format !== o.compression.format)) return undefined;
  return { mediaType: LAYER_TYPE[format], digest, size };
}

async function packed(o: PushLayerOptions, tell: Tell): Promise<PushedLayer> {
  const { store, pool, target, layer, hash, compression, signal } = o;
  const packing = new ProgressWords();
  const stopPacking = every(() =>
    tell('compressing', {
      bytes: packing.get('bytesIn'),
      total: Math.max(layer.size, packing.get('bytesIn')),
    }),
  );
  const blob = await makeLayerBlob(store, pool(), layer.chainID, {
    compression,
    hash,
    signal,
    words: packing,
  }).finally(stopPacking);
  try {
    const { digest, size, mediaType, path } = blob;
    const descriptor = { mediaType, digest, size };
    if ((await findBlob(target, digest)) === size) {
      tell('exists', { bytes: size, total: size });
      return { descriptor, uploaded: 0 };
    }
    const words = new ProgressWords();
    const cancel = (): void => words.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    const stop = every(() =>
      tell('pushing', { bytes: words.get('bytesOut'), total: size, retries: words.get('retries') }),
    );
    try {
      const source = await target.source();
      await pool().run('uploadLayer', { source, path, digest, size, words: words.shared });
    } finally {
      stop();
      signal.removeEventListener('abort', cancel);
    }
    tell('pushed', { bytes: size, total: size, retries: words.get('retries') });
    return { descriptor, uploaded: size };
  } finally {
    await blob.remove();
  }
}

function every(action: () => void): () => void {
  action();
  const timer = setInterval(action, TICK_MS);
  return () => clearInterval(timer);
}
