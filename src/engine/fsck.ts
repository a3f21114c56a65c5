/**
 * `system fsck`: the whole store against what it should be.
 *
 *   survey     layerdb, overlay2 and its links, images, names, containers, leftovers      this thread, no file is read
 *   contents   every file of every layer against tar-split (layer/check-layer.ts)         the pool
 *   repair     where asked for (fsck-repair.ts), and the survey once more
 *
 * It holds the store shared and only reads; to repair, exclusively. Beside other commands a survey may catch one between
 * two steps, so what it finds counts when a second look finds it too.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import type { HashBackend } from '../core/digest/hasher.js';
import { GantryError } from '../core/errors.js';
import { ProgressWords } from '../core/progress-words.js';
import type { LayerCheck } from '../layer/check-layer.js';
import { surveyContainers } from './fsck-containers.js';
import { surveyImages } from './fsck-images.js';
import { type CheckableLayer, entryPath, surveyLayers } from './fsck-layers.js';
import { surveyLeftovers } from './fsck-leftovers.js';
import { type Problem, problemKey } from './fsck-problem.js';
import { repairStore } from './fsck-repair.js';
import { layerOrigins } from './layer-origins.js';
import { Pool } from './pool.js';
import type { PullEvent } from './pull-events.js';
import type { Store } from './store.js';

export interface FsckOptions {
  /** Also rebuild each layer's tar and compare its digest. */
  readonly deep: boolean;
  readonly repair: boolean;
  readonly signal: AbortSignal;
  /** Ten times a second while files are read. */
  readonly onProgress: (progress: FsckProgress) => void;
  /** Of layers that are fetched again. */
  readonly onFetch: (event: PullEvent) => void;
}

export interface FsckProgress {
  readonly layersDone: number;
  readonly layers: number;
  readonly bytesDone: number;
  /** Of files. */
  readonly bytes: number;
}

export interface FsckProblem extends Problem {
  readonly repaired: boolean;
  /** Why a repair did not succeed. */
  readonly reason?: string;
}

export interface FsckReport {
  readonly problems: readonly FsckProblem[];
  readonly layers: number;
  readonly files: number;
  readonly bytes: number;
  readonly ms: number;
}

const PROGRESS_MS = 100;

/** ERR_CANCELED, ERR_SYSCALL for a disk that cannot be read. What is wrong with the store is in the report. */
export async function fsck(store: Store, options: FsckOptions): Promise<FsckReport> {
  const started = performance.now();
  const lock = await store.lock(options.repair ? 'exclusive' : 'shared', { signal: options.signal });
  const pool = new Pool('layer', availableParallelism());
  try {
    const hash = await chooseHashBackend('auto', join(store.root, 'gantry', 'hash.json'));
    const first = await survey(store);
    const contents = await checkContents(store, pool, first.checkable, { ...options, hash });
    const again = new Set((await survey(store)).problems.map(problemKey));
    const structure = first.problems.filter((problem) => again.has(problemKey(problem)));
    const found = [...structure, ...contents.problems];
    const { layers, files, bytes } = contents;
    const problems = options.repair
      ? await repaired(store, pool, found, { ...options, hash })
      : found.map((problem) => ({ ...problem, repaired: false }));
    return { problems, layers, files, bytes, ms: Math.round(performance.now() - started) };
  } finally {
    await pool.close();
    lock.release();
  }
}

async function survey(store: Store): Promise<{ problems: Problem[]; checkable: CheckableLayer[] }> {
  const layers = surveyLayers(store, layerOrigins(store, store.images.all().images));
  const problems = [
    ...layers.problems,
    ...surveyImages(store),
    ...surveyContainers(store),
    ...(await surveyLeftovers(store)),
  ];
  return { problems, checkable: layers.checkable };
}

type CheckOptions = FsckOptions & { readonly hash: HashBackend };

async function checkContents(
  store: Store,
  pool: Pool,
  layers: readonly CheckableLayer[],
  options: CheckOptions,
) {
  const { deep, hash, signal, onProgress } = options;
  const running = layers.map((layer) => ({ layer, words: new ProgressWords() }));
  const bytes = layers.reduce((sum, { size }) => sum + size, 0) * (deep ? 2 : 1);
  let layersDone = 0;
  const tell = (): void => {
    const bytesDone = running.reduce((sum, { words }) => sum + words.get('bytesIn'), 0);
    onProgress({ layersDone, layers: layers.length, bytesDone, bytes });
  };
  const timer = setInterval(tell, PROGRESS_MS);
  const cancel = (): void => {
    for (const { words } of running) words.cancel();
  };
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    const checks = await Promise.allSettled(
      running.map(async ({ layer, words }) => {
        const { chainID, cacheID, diffID, lowers } = layer;
        const files = store.driver.files(cacheID);
        const tarSplit = store.layers.db.tarSplit(chainID);
        const input = { tarSplit, files, lowers, diffID, deep, hash, words: words.shared };
        const check = await pool.run('checkLayer', input).finally(() => layersDone++);
        return { layer, check };
      }),
    );
    if (signal.aborted) throw new GantryError('ERR_CANCELED', 'fsck canceled');
    tell();
    const done = checks.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
    return {
      problems: done.flatMap(({ layer, check }) => problemsOf(layer, check)),
      layers: layers.length,
      files: done.reduce((sum, { check }) => sum + check.files, 0),
      bytes: done.reduce((sum, { check }) => sum + check.bytes, 0),
    };
  } finally {
    signal.removeEventListener('abort', cancel);
    clearInterval(timer);
  }
}

function problemsOf({ chainID, cacheID }: CheckableLayer, { faults, more, tarSplit }: LayerCheck): Problem[] {
  const remedy = { kind: 'layer', chainID, fetch: true } as const;
  const files = tarSplit ? `overlay2/${cacheID}/diff` : entryPath(chainID, 'tar-split.json.gz');
  const problems = faults.map(({ path, what, expected, found }) => ({
    where: path === '' ? files : `${files}/${path}`,
    what,
    expected,
    found,
    remedy,
  }));
  if (more === 0) return problems;
  return [
    ...problems,
    { where: files, what: 'files', expected: 'no more faults', found: `${more} more`, remedy },
  ];
}

/** What is still there at another look is not repaired; layers that were fetched were verified on their way. */
async function repaired(
  store: Store,
  pool: Pool,
  found: readonly Problem[],
  options: CheckOptions,
): Promise<FsckProblem[]> {
  const reasons = await repairStore(store, pool, found, options);
  const left = new Set((await survey(store)).problems.map(problemKey));
  return found.map((problem) => {
    const reason = reasons.get(problem);
    const repaired = reason === undefined && !left.has(problemKey(problem));
    return { ...problem, repaired, ...(reason === undefined ? {} : { reason }) };
  });
}
