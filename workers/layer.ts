/**
 * Pool tasks for layers. Thin: it joins the registry's stream to the layer's pass and keeps this thread's tools.
 * A task leaves nothing running and nothing open behind.
 */
import { rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SecureContext } from 'node:tls';
import type { DiffID, Digest } from '../src/core/digest/digest.js';
import type { HashBackend } from '../src/core/digest/hasher.js';
import { GantryError, isGantryError } from '../src/core/errors.js';
import { fixedBuffer } from '../src/core/ffi.js';
import { ProgressWords } from '../src/core/progress-words.js';
import { LayerPass, type Passed, type PassTools } from '../src/layer/layer-pass.js';
import { TAR_SPLIT } from '../src/layer/layer-writer.js';
import { makePassTools } from '../src/layer/pass-tools.js';
import type { LayerReceipt } from '../src/layer/receipt.js';
import type { BlobSource } from '../src/registry/endpoint.js';
import { type FetchMeter, fetchBlob, newFetchMeter } from '../src/registry/fetch-blob.js';
import { removePartial } from '../src/registry/partial.js';
import { task } from './task.js';

export interface FetchLayer {
  readonly source: BlobSource;
  readonly digest: Digest;
  readonly diffID: DiffID;
  readonly size: number;
  /** A private directory with an empty `diff/`. */
  readonly staging: string;
  /** The folder of partial downloads. */
  readonly partials: string;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

/** How often a layer is begun again because a server ignores Range. */
const RESTARTS = 3;
/** Socket reads land here; measured in blob-stream's experiment. */
const INPUT_BYTES = 256 * 1024;

interface Thread {
  readonly input: Uint8Array;
  readonly contexts: Map<string, SecureContext>;
  readonly tools: Map<HashBackend, PassTools>;
}

const thread: Thread = { input: fixedBuffer(INPUT_BYTES), contexts: new Map(), tools: new Map() };

async function toolsFor(backend: HashBackend): Promise<PassTools> {
  const kept = thread.tools.get(backend);
  if (kept !== undefined) return kept;
  const made = await makePassTools(backend);
  thread.tools.set(backend, made);
  return made;
}

/** One attempt: undefined when the stream must begin again. */
async function attempt(
  input: FetchLayer,
  tools: PassTools,
  words: ProgressWords,
  meter: FetchMeter,
): Promise<Passed | undefined> {
  const pass = new LayerPass({ ...input, tools, words });
  try {
    const { outcome } = await fetchBlob({
      ...input,
      words,
      meter,
      buffer: thread.input,
      contexts: thread.contexts,
      sink: (bytes, start, end) => pass.write(bytes, start, end),
    });
    if (outcome === 'restart') return undefined;
    words.phase = 'verifying';
    return await pass.finish();
  } finally {
    pass.close();
  }
}

async function wipe(staging: string): Promise<void> {
  rmSync(join(staging, 'diff'), { recursive: true, force: true });
  rmSync(join(staging, TAR_SPLIT), { force: true });
  await mkdir(join(staging, 'diff'), { mode: 0o755 });
}

/**
 * Fetches, verifies and unpacks one layer into `staging`. Bytes kept by an earlier pull that turn out wrong are
 * thrown away and the layer is fetched once more from the network.
 */
async function run(input: FetchLayer): Promise<LayerReceipt> {
  const started = performance.now();
  const words = new ProgressWords(input.words);
  const tools = await toolsFor(input.hash);
  const meter = newFetchMeter();
  for (let restarts = 0; ; ) {
    let passed: Passed | undefined;
    try {
      passed = await attempt(input, tools, words, meter);
    } catch (error) {
      const damaged = isGantryError(error, 'ERR_DIGEST_MISMATCH', 'ERR_LAYER_INVALID', 'ERR_LAYER_HOSTILE');
      if (!damaged) throw error;
      removePartial(input.partials, input.digest);
      if (meter.fromFile === 0) throw error;
      meter.fromFile = 0;
    }
    if (passed !== undefined) return receipt(passed, input, meter, performance.now() - started);
    if (++restarts > RESTARTS) {
      throw new GantryError(
        'ERR_NETWORK',
        `blob ${input.digest}: the server ignores range requests and keeps failing`,
      );
    }
    await wipe(input.staging);
  }
}

function receipt(passed: Passed, input: FetchLayer, meter: FetchMeter, total: number): LayerReceipt {
  const { digest, diffID, tarSize, size, entries, implicitDirs, whiteouts, droppedXattrs, compression } =
    passed;
  return {
    digest,
    diffID,
    compression,
    compressedSize: input.size,
    tarSize,
    size,
    entries,
    implicitDirs,
    whiteouts,
    droppedXattrs,
    timings: { total, waiting: meter.waitingMs },
    retries: meter.retries,
  };
}

export const fetchLayer = task(run);
