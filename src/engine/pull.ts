/**
 * The pull coordinator (DESIGN §4): resolve → plan → layers as pool tasks → imagedb, distribution, repositories.json.
 * Several references share one scheduler; each succeeds or fails by itself. An image is visible only when all its
 * layers are committed; its tag is set last.
 */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import { type Digest, hexOf, type ImageID, imageIDOf } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError, isGantryError } from '../core/errors.js';
import type { Lock } from '../core/lock.js';
import { sweepPartials } from '../registry/partial.js';
import {
  familiarName,
  familiarString,
  pullReference,
  type Reference,
  withDefaultTag,
} from '../registry/reference.js';
import { distrustUnusable, settleDurability } from './durability.js';
import { recordImageEvent } from './events.js';
import { checkSpace, freeSpace } from './free-space.js';
import { LayerFetcher } from './layer-fetcher.js';
import { Pool } from './pool.js';
import type { PullEvent } from './pull-events.js';
import { neededSpace, type PullPlan, planTarget } from './pull-plan.js';
import { openResolver } from './pull-resolve.js';
import { labelOf, type PullTarget, resolvedLayers } from './pull-target.js';
import type { Store } from './store.js';

export { type PlannedLayer, type PullPlan, planPull } from './pull-plan.js';

export interface PullOptions {
  /** os/arch[/variant]; default this machine's. */
  readonly platform?: string;
  /** Layers at the same time. */
  readonly threads?: number;
  readonly hash: 'auto' | HashBackend;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PullEvent) => void;
}

export interface PullResult {
  readonly reference: Reference;
  readonly imageID: ImageID;
  /** Of the document that the reference names. */
  readonly digest: Digest;
  readonly upToDate: boolean;
}

/** A layer waits for the network as much as for the CPU, so there are a few more threads than cores. */
const EXTRA_THREADS = 1;
const MAX_THREADS = 8;

export const defaultThreads = (): number => Math.min(MAX_THREADS, availableParallelism() + EXTRA_THREADS);

/**
 * Pulls all references. Rejects with the first reference's error when one failed, after the others have ended. Throws
 * what RegistryClient.resolve throws, ERR_NO_SPACE, ERR_DIGEST_MISMATCH, ERR_LAYER_*, ERR_CANCELED.
 */
export async function pull(
  store: Store,
  references: readonly Reference[],
  options: PullOptions,
): Promise<PullResult[]> {
  const { onEvent, signal } = options;
  const gantry = join(store.root, 'gantry');
  let storeLock: Lock | undefined;
  let pool: Pool | undefined;
  let fetcher: LayerFetcher | undefined;
  const resolver = await openResolver(options);
  try {
    storeLock = await store.lock('shared', { signal });
    const hash = chooseHashBackend(options.hash, join(gantry, 'hash.json'));
    hash.catch(() => {}); // told where it is awaited
    const threads = options.threads ?? defaultThreads();
    const openPool = (): Pool => {
      pool ??= new Pool('layer', threads);
      return pool;
    };
    // A name the store has never seen will need threads: they start while its manifest is asked for.
    if (references.some((reference) => store.tags.get(nameInStore(reference)) === undefined)) openPool();
    await settleDurability(store);
    await store.layers.sweep();
    const counted = new Set<string>();
    const plans: PullPlan[] = [];
    const one = async (reference: Reference): Promise<PullResult> => {
      const clock = new Clock();
      const label = labelOf(reference);
      try {
        onEvent({ event: 'resolving', reference: label });
        const target = await resolver.resolve(reference);
        clock.lap('resolve');
        const layers = resolvedLayers(store, target);
        const plan = planTarget(store, target, counted, freeSpace(store.root));
        onEvent({
          event: 'resolved',
          reference: label,
          digest: plan.digest,
          platform: target.platform,
          layers,
          bytesToFetch: plan.bytesToFetch,
        });
        plans.push(plan);
        const warning = checkSpace(store.root, neededSpace(plans));
        if (warning !== undefined) onEvent({ event: 'warning', message: warning });
        if (plan.fetch.length > 0 && fetcher === undefined) {
          mkdirSync(join(gantry, 'partial'), { recursive: true, mode: 0o700 });
          sweepPartials(join(gantry, 'partial'), { now: Date.now() });
        }
        const backend = await hash;
        fetcher ??= new LayerFetcher({ store, pool: openPool, threads, hash: backend, onEvent });
        await distrustUnusable(
          store,
          target.layers.map(({ chainID }) => chainID),
        );
        await fetcher.bring(target.layers, signal);
        clock.lap('layers');
        const result = await publish(store, reference, target);
        recordImageEvent(store, 'pull', label, label);
        clock.lap('commit');
        onEvent({
          event: 'done',
          reference: label,
          imageID: result.imageID,
          digest: result.digest,
          status: result.upToDate ? 'up-to-date' : 'downloaded',
          bytes: plan.bytesToFetch,
          ms: clock.total,
          timings: clock.laps,
        });
        return result;
      } catch (error) {
        const code = isGantryError(error) ? error.code : 'ERR_INTERNAL';
        onEvent({ event: 'error', reference: label, code, message: (error as Error).message });
        throw error;
      }
    };
    const settled = await Promise.allSettled(references.map(one));
    const failed = settled.find((result) => result.status === 'rejected');
    if (signal.aborted) throw new GantryError('ERR_CANCELED', 'pull canceled');
    if (failed !== undefined) throw failed.reason;
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  } finally {
    fetcher?.close();
    resolver.close();
    await pool?.close();
    storeLock?.release();
  }
}

const nameInStore = (reference: Reference): string =>
  familiarString(pullReference(withDefaultTag(reference)));

/** Config, sources, tag: in that order, so that whatever can be seen is whole. */
async function publish(store: Store, reference: Reference, target: PullTarget): Promise<PullResult> {
  const { image, layers, repository } = target;
  const imageID = imageIDOf(image.config);
  const byDigest = `${familiarName(reference)}@${image.topDigest}`;
  const names =
    image.reference.digest === undefined ? [familiarString(image.reference), byDigest] : [byDigest];
  const lock = await store.lockNamed('images', hexOf(imageID));
  try {
    const upToDate = store.images.has(imageID) && names.every((name) => store.tags.get(name) === imageID);
    if (!upToDate) {
      store.images.put(image.config);
      store.images.setManifest(imageID, { mediaType: image.mediaType, bytes: image.manifestBytes });
      for (const { diffID, digest } of layers) {
        store.distribution.record(diffID, { digest, sourceRepository: repository });
      }
      await store.tags.update({ set: names.map((name) => ({ reference: name, imageID })) });
      store.images.setLastUpdated(imageID, new Date());
    }
    store.images.setLastUsed(imageID, new Date());
    return { reference, imageID, digest: image.topDigest, upToDate };
  } finally {
    lock.release();
  }
}

/** Milliseconds by step. */
class Clock {
  readonly #began = performance.now();
  #last = this.#began;
  readonly laps: Record<string, number> = {};

  lap(name: string): void {
    const now = performance.now();
    this.laps[name] = Math.round(now - this.#last);
    this.#last = now;
  }

  get total(): number {
    return Math.round(performance.now() - this.#began);
  }
}
