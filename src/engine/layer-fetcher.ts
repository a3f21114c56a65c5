/**
 * Layers for all images of one command: each fetched once, all at the same time, committed in chain order.
 *
 *   lock(chainID) ─► there? ─► parked? ─► lock(blob) ─► stage ─► worker ─► park ─┐
 *                                                        parent's commit ───────►└─► commit ─► unlock
 *
 * A chainID's lock is held from before the fetch until after the commit, and while held only ancestors are waited
 * for, so two processes that pull overlapping images cannot wait in a circle. Who waited finds the layer there.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type ChainID, hexOf } from '../core/digest/digest.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError, isGantryError } from '../core/errors.js';
import { ProgressWords } from '../core/progress-words.js';
import { hasPartial, removePartial } from '../registry/partial.js';
import { receiveLayer } from './layer-receive.js';
import type { Layer, ParkedLayer } from './layer-store.js';
import type { Pool } from './pool.js';
import type { LayerPhase, PullEvent } from './pull-events.js';
import { layerName, type TargetLayer } from './pull-target.js';
import type { Store } from './store.js';
import { WorkQueue } from './work-queue.js';

const PROGRESS_MS = 100;
/** A task looks at its cancel word every 100 ms; one that has not come back after this is killed with its thread. */
const CANCEL_GRACE_MS = 3000;
/** How often a layer is begun again because a server ignores Range. */
const RESTARTS = 3;
/** Below this a second thread costs more than it takes over. */
const SPLIT_BYTES = 8 * 1024 * 1024;
const DAMAGED = [
  'ERR_DIGEST_MISMATCH',
  'ERR_LAYER_INVALID',
  'ERR_LAYER_HOSTILE',
  'ERR_LAYER_TOO_LARGE',
] as const;

export interface FetcherOptions {
  readonly store: Store;
  /** Opened by the first layer that must be fetched. */
  readonly pool: () => Pool;
  /** How many the pool may have. */
  readonly threads: number;
  readonly hash: HashBackend;
  readonly onEvent: (event: PullEvent) => void;
}

interface Job {
  readonly layer: TargetLayer;
  readonly words: ProgressWords;
  readonly abort: AbortController;
  readonly started: number;
  readonly done: Promise<Layer>;
  /** References that need it; at zero it is canceled. */
  users: number;
  phase: LayerPhase;
  told: string;
  retries: number;
  rate: { at: number; bytes: number; perSecond: number };
}

export class LayerFetcher {
  readonly #options: FetcherOptions;
  readonly #queue: WorkQueue;
  readonly #jobs = new Map<ChainID, Job>();
  readonly #timer: NodeJS.Timeout;
  readonly #partials: string;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#queue = new WorkQueue(options.threads);
    this.#partials = join(options.store.root, 'gantry', 'partial');
    this.#timer = setInterval(() => this.#tellAll(), PROGRESS_MS);
  }

  /**
   * Brings in all layers of one image, bottom first, and returns them so. At the first failure, or when `signal`
   * aborts, the layers that no other image of the command needs are canceled; what is verified stays parked.
   */
  async bring(layers: readonly TargetLayer[], signal: AbortSignal): Promise<Layer[]> {
    const jobs: Job[] = [];
    for (const layer of layers) jobs.push(this.#job(layer));
    const abandon = (): void => {
      for (const job of jobs) this.#abandon(job);
    };
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    try {
      return await Promise.all(jobs.map((job) => job.done));
    } catch (error) {
      if (!signal.aborted) abandon();
      await Promise.allSettled(jobs.map((job) => job.done));
      throw error;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #job(layer: TargetLayer): Job {
    const known = this.#jobs.get(layer.chainID);
    // One that failed or was given up had its own source: another image may have a better one.
    if (known !== undefined && known.users > 0 && known.phase !== 'failed') {
      known.users++;
      return known;
    }
    const parent = layer.parent === undefined ? undefined : this.#jobs.get(layer.parent)?.done;
    const { promise, resolve } = withResolver<Layer>();
    const job: Job = {
      layer,
      words: new ProgressWords(),
      abort: new AbortController(),
      started: performance.now(),
      done: promise,
      users: 1,
      phase: 'waiting',
      told: '',
      retries: 0,
      rate: { at: performance.now(), bytes: 0, perSecond: 0 },
    };
    promise.catch(() => this.#tell(job, 'failed'));
    this.#jobs.set(layer.chainID, job);
    resolve(this.#bringOne(job, parent));
    return job;
  }

  #abandon(job: Job): void {
    if (--job.users > 0) return;
    job.words.cancel();
    if (job.words.phase === 'queued') job.abort.abort();
    else setTimeout(() => job.abort.abort(), CANCEL_GRACE_MS).unref();
  }

  async #bringOne(job: Job, parent: Promise<Layer> | undefined): Promise<Layer> {
    const { store } = this.#options;
    const { chainID, digest } = job.layer;
    // A parent's failure is the image's failure; this layer goes on until it is told otherwise.
    parent?.catch(() => {});
    // One that is whole itself waits for what is mended below it.
    if (store.layers.get(chainID) === undefined && store.layers.isWhole(chainID)) await parent;
    const there = store.layers.get(chainID);
    if (there !== undefined) return this.#exists(job, there);
    const lock = await store.layers.lock(chainID, { signal: job.abort.signal });
    try {
      const appeared = store.layers.get(chainID);
      if (appeared !== undefined) return this.#exists(job, appeared);
      const parked = store.layers.parked(chainID) ?? (await this.#fetch(job));
      const below = job.layer.parent && !parent ? store.layers.get(job.layer.parent) : await parent;
      const layer = await store.layers.commit(parked, below);
      removePartial(this.#partials, digest);
      this.#tell(job, 'committed');
      return layer;
    } finally {
      lock.release();
    }
  }

  #exists(job: Job, layer: Layer): Layer {
    this.#tell(job, 'exists');
    return layer;
  }

  async #fetch(job: Job): Promise<ParkedLayer> {
    const { store } = this.#options;
    const { digest, size } = job.layer;
    const lock = await store.lockNamed('blobs', hexOf(digest), { signal: job.abort.signal });
    try {
      const split = this.#dominates(job);
      return await this.#queue.run(size, split ? 2 : 1, () => this.#unpack(job, split));
    } finally {
      lock.release();
    }
  }

  /** True for a layer that would still run when all others are done: two threads then share its work. */
  #dominates(job: Job): boolean {
    const { threads } = this.#options;
    if (threads < 2 || job.layer.size < SPLIT_BYTES) return false;
    let total = 0;
    for (const { layer, phase } of this.#jobs.values()) if (phase === 'waiting') total += layer.size;
    return job.layer.size * Math.min(threads, availableParallelism()) > total;
  }

  /**
   * Stages, fetches, verifies and parks. Begins again when the server ignores Range, and once more from the network
   * when bytes kept by an earlier pull may be what was damaged.
   */
  async #unpack(job: Job, split: boolean): Promise<ParkedLayer> {
    const { store, pool, hash, onEvent } = this.#options;
    const { chainID, digest, compression } = job.layer;
    for (let restarts = 0; ; ) {
      if (job.words.canceled)
        throw new GantryError('ERR_CANCELED', `layer ${layerName(job.layer)}: canceled`);
      const resumed = hasPartial(this.#partials, digest);
      const staging = await store.layers.stage();
      try {
        const receipt = await receiveLayer(pool(), {
          layer: job.layer,
          staging: staging.dir,
          partials: this.#partials,
          hash,
          words: job.words,
          signal: job.abort.signal,
          split,
        });
        if (receipt !== 'restart') {
          if (compression !== undefined && receipt.compression !== compression) {
            const message = `layer ${layerName(job.layer)}: media type says ${compression}, the blob is ${receipt.compression}`;
            onEvent({ event: 'warning', message });
          }
          return await store.layers.park(chainID, staging, receipt);
        }
        if (++restarts > RESTARTS) {
          const message = `layer ${layerName(job.layer)}: the server ignores range requests and the connection keeps failing`;
          throw new GantryError('ERR_NETWORK', message);
        }
        await store.layers.discard(staging);
      } catch (error) {
        await store.layers.discard(staging);
        if (!isGantryError(error, ...DAMAGED)) throw error;
        removePartial(this.#partials, digest);
        if (!resumed) throw error;
      }
    }
  }

  #tellAll(): void {
    for (const job of this.#jobs.values()) {
      switch (job.words.phase) {
        case 'connecting':
        case 'downloading':
          this.#tell(job, 'downloading');
          break;
        case 'extracting':
          this.#tell(job, 'extracting');
          break;
        case 'verifying':
          this.#tell(job, 'verifying');
          break;
        case 'queued':
          break;
      }
    }
  }

  /** Emits a layer event when anything in it changed since the last one, and none after its last phase. */
  #tell(job: Job, phase: LayerPhase): void {
    if (job.phase === 'committed' || job.phase === 'exists' || job.phase === 'failed') return;
    const { words, layer } = job;
    const now = performance.now();
    const bytesIn = words.get('bytesIn');
    const bytesOut = words.get('bytesOut');
    const retries = words.get('retries');
    const state = `${phase} ${bytesIn} ${bytesOut} ${retries}`;
    if (state === job.told) return;
    job.told = state;
    for (; job.retries < retries; job.retries++) {
      this.#options.onEvent({ event: 'retry', digest: layer.digest, attempt: job.retries + 1 });
    }
    job.phase = phase;
    if (now - job.rate.at >= 5 * PROGRESS_MS) {
      // Fewer bytes than before: it was begun again.
      const fresh = Math.max(0, bytesIn - job.rate.bytes);
      job.rate = { at: now, bytes: bytesIn, perSecond: (fresh * 1000) / (now - job.rate.at) };
    }
    this.#options.onEvent({
      event: 'layer',
      digest: layer.digest,
      id: layerName(layer),
      phase,
      bytesIn,
      total: layer.size,
      bytesOut,
      bytesPerSecond: Math.round(job.rate.perSecond),
      retries,
      ms: Math.round(now - job.started),
    });
  }
}

function withResolver<T>(): { promise: Promise<T>; resolve: (value: Promise<T>) => void } {
  let resolve: (value: Promise<T>) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
