/** One attempt to fetch, verify and unpack a layer in the pool, by one thread or, for a dominant layer, by two. */
import type { Inflated } from '../../workers/layer.js';
import type { HashBackend } from '../core/digest/hasher.js';
import type { ProgressWords } from '../core/progress-words.js';
import { newSharedRing } from '../core/slot-ring.js';
import type { Written } from '../layer/layer-writer.js';
import type { LayerReceipt } from '../layer/receipt.js';
import type { Input, Pool } from './pool.js';
import type { TargetLayer } from './pull-target.js';
import { endingOther, firstError } from './ring-halves.js';

export interface ReceiveInput {
  readonly layer: TargetLayer;
  /** A private directory with an empty `diff/`. */
  readonly staging: string;
  /** The folder of partial downloads. */
  readonly partials: string;
  readonly hash: HashBackend;
  readonly words: ProgressWords;
  readonly signal: AbortSignal;
  /** By two threads, which the pool must have free: each waits for the other. */
  readonly split: boolean;
}

/** The receipt; 'restart' when the server ignores Range and the attempt must begin again with an empty directory. */
export async function receiveLayer(pool: Pool, input: ReceiveInput): Promise<LayerReceipt | 'restart'> {
  const { digest, diffID, size, source } = input.layer;
  const started = performance.now();
  const both = { hash: input.hash, words: input.words.shared };
  const blob = { ...both, source, digest, diffID, size, partials: input.partials };
  const tar = { ...both, staging: input.staging };
  const done = input.split
    ? await byTwo(pool, blob, tar, input.signal)
    : await pool.run('fetchLayer', { ...blob, ...tar }, input.signal);
  if (done === 'restart') return 'restart';
  const { waitingMs, ...rest } = done;
  const timings = { total: performance.now() - started, waiting: waitingMs };
  return { ...rest, digest, diffID, compressedSize: size, timings };
}

type Task<Name extends 'inflateLayer' | 'writeLayer'> = Omit<Input<'layer', Name>, 'ring'>;

async function byTwo(
  pool: Pool,
  blob: Task<'inflateLayer'>,
  tar: Task<'writeLayer'>,
  signal: AbortSignal,
): Promise<(Inflated & Written) | 'restart'> {
  const ring = newSharedRing();
  const [inflated, written] = await Promise.allSettled([
    endingOther(ring, pool.run('inflateLayer', { ...blob, ring }, signal)),
    endingOther(ring, pool.run('writeLayer', { ...tar, ring }, signal)),
  ]);
  if (inflated.status === 'fulfilled' && inflated.value === 'restart') return 'restart';
  if (inflated.status === 'fulfilled' && inflated.value !== 'restart' && written.status === 'fulfilled') {
    return { ...inflated.value, ...written.value };
  }
  throw firstError([inflated, written]);
}
