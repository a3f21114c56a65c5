/**
 * Pool tasks for layers. Thin: they join the registry's stream to the two halves of the pass and keep this thread's
 * tools. A task leaves nothing running and nothing open behind.
 *
 *   fetchLayer                  socket ─► BlobPass ─► TarPass ─► disk             one thread
 *   inflateLayer + writeLayer   socket ─► BlobPass ─► ring ─► TarPass ─► disk     two threads, for a layer that is
 *                                                                                 most of what there is to do
 */
import type { SecureContext } from 'node:tls';
import type { OutputTarget } from '../src/core/compress/inflater.js';
import { algorithmOf, type DiffID, type Digest } from '../src/core/digest/digest.js';
import type { HashBackend } from '../src/core/digest/hasher.js';
import { fixedBuffer } from '../src/core/ffi.js';
import type { Compression } from '../src/core/oci/media-types.js';
import { ProgressWords } from '../src/core/progress-words.js';
import { type SharedRing, SlotRing } from '../src/core/slot-ring.js';
import { BlobPass } from '../src/layer/blob-pass.js';
import type { Written } from '../src/layer/layer-writer.js';
import { makePassTools, type PassTools } from '../src/layer/pass-tools.js';
import { TarPass } from '../src/layer/tar-pass.js';
import type { BlobSource } from '../src/registry/endpoint.js';
import { fetchBlob, newFetchMeter } from '../src/registry/fetch-blob.js';
import { task } from './task.js';

export interface BlobInput {
  readonly source: BlobSource;
  readonly digest: Digest;
  readonly size: number;
  /** The folder of partial downloads. */
  readonly partials: string;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

export interface TarInput {
  readonly diffID: DiffID;
  readonly size: number;
  /** A private directory with an empty `diff/`. */
  readonly staging: string;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

export interface Inflated {
  readonly compression: Compression;
  readonly retries: number;
  readonly waitingMs: number;
}

/** 'restart': the server ignores Range; throw away what is staged and begin again. */
type OrRestart<T> = T | 'restart';

/** Socket reads land here; the size is measured in blob-stream.ts. */
const INPUT_BYTES = 256 * 1024;
/** Tar bytes that are hashed and written at one go; they should still be in the second-level cache. */
const REGION_BYTES = 256 * 1024;

/** What this thread keeps between tasks; a worker is a module of its own, so this is its state and nobody else's. */
const thread = {
  input: fixedBuffer(INPUT_BYTES),
  region: Buffer.from(fixedBuffer(REGION_BYTES).buffer),
  contexts: new Map<string, SecureContext>(),
  tools: new Map<HashBackend, Promise<PassTools>>(),
};

function toolsFor(backend: HashBackend): Promise<PassTools> {
  const tools = thread.tools.get(backend) ?? makePassTools(backend);
  thread.tools.set(backend, tools);
  return tools;
}

async function inflate(
  input: BlobInput,
  tools: PassTools,
  target: OutputTarget,
): Promise<OrRestart<Inflated>> {
  const words = new ProgressWords(input.words);
  const meter = newFetchMeter();
  const hasher = await tools.hasher('blob', algorithmOf(input.digest));
  const pass = new BlobPass({ hasher, decompressors: tools.decompressors, target, digest: input.digest });
  try {
    const { outcome } = await fetchBlob({
      ...input,
      words,
      meter,
      buffer: thread.input,
      contexts: thread.contexts,
      sink: (bytes, start, end) => pass.write(bytes, start, end),
    });
    if (outcome === 'restart') return 'restart';
    const compression = pass.finish();
    return { compression, retries: meter.retries, waitingMs: meter.waitingMs };
  } finally {
    pass.close();
  }
}

async function openTar(input: TarInput, tools: PassTools): Promise<TarPass> {
  const hasher = await tools.hasher('diff', algorithmOf(input.diffID));
  return new TarPass({ ...input, hasher, crc: tools.crc, words: new ProgressWords(input.words) });
}

/** Fetches, verifies and unpacks one layer. */
export const fetchLayer = task(
  async (input: BlobInput & TarInput): Promise<OrRestart<Inflated & Written>> => {
    const tools = await toolsFor(input.hash);
    const tar = await openTar(input, tools);
    try {
      const { region } = thread;
      const target = { acquire: () => region, commit: (length: number) => tar.write(region, length) };
      const inflated = await inflate(input, tools, target);
      if (inflated === 'restart') return 'restart';
      return { ...inflated, ...(await tar.finish()) };
    } finally {
      tar.close();
    }
  },
);

/** The half that fetches, verifies the blob and inflates it into a ring. */
export const inflateLayer = task(
  async (input: BlobInput & { ring: SharedRing }): Promise<OrRestart<Inflated>> => {
    const words = new ProgressWords(input.words);
    const ring = new SlotRing(input.ring, () => words.canceled);
    try {
      const inflated = await inflate(input, await toolsFor(input.hash), ring);
      if (inflated === 'restart') ring.fail();
      else ring.finish();
      return inflated;
    } catch (error) {
      ring.fail();
      throw error;
    }
  },
);

/** The half that takes tar bytes from a ring, verifies and unpacks them. */
export const writeLayer = task(async (input: TarInput & { ring: SharedRing }): Promise<Written> => {
  const words = new ProgressWords(input.words);
  const ring = new SlotRing(input.ring, () => words.canceled);
  let tar: TarPass | undefined;
  try {
    const pass = await openTar(input, await toolsFor(input.hash));
    tar = pass;
    ring.drain((bytes, length) => pass.write(bytes, length));
    return await pass.finish();
  } catch (error) {
    ring.fail();
    throw error;
  } finally {
    tar?.close();
  }
});
