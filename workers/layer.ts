/**
 * Pool tasks for layers. Thin: they join the registry's stream to the two halves of the pass and keep this thread's
 * tools. A task leaves nothing running and nothing open behind.
 *
 *   fetchLayer                  socket ─► BlobPass ─► LayerWriter ─► disk           one thread
 *   inflateLayer + writeLayer   socket ─► BlobPass ─► ring ─► LayerWriter ─► disk   two threads, for a layer that is
 *                                                                                   most of what there is to do
 *   packLayer                   a container's changes ─► tar ─► SHA-256 ─► slot ring        (writeLayer takes it)
 *   checkLayer                  disk, against tar-split
 *   layerBlob                   disk ─► tar ─► compress ─► file or pipe             and libuv's threads
 *   uploadLayer                 file ─► socket
 */
import type { SecureContext } from 'node:tls';
import type { CompressionSpec } from '../src/core/compress/compression-spec.js';
import type { OutputTarget } from '../src/core/compress/inflater.js';
import { algorithmOf, type DiffID, type Digest } from '../src/core/digest/digest.js';
import type { HashBackend } from '../src/core/digest/hasher.js';
import { fixedBuffer } from '../src/core/ffi.js';
import type { Compression } from '../src/core/oci/media-types.js';
import { ProgressWords } from '../src/core/progress-words.js';
import { type SharedRing, SlotRing } from '../src/core/slot-ring.js';
import { BlobPass } from '../src/layer/blob-pass.js';
import { checkLayer as check, type LayerCheck } from '../src/layer/check-layer.js';
import { type WrittenBlob, writeLayerBlob } from '../src/layer/layer-blob.js';
import { packLayer as packChanges } from '../src/layer/layer-packer.js';
import { LayerWriter, type Written } from '../src/layer/layer-writer.js';
import { makePassTools, type PassTools } from '../src/layer/pass-tools.js';
import { LowerView } from '../src/overlay/lower-view.js';
import { BLOB_BUFFER_BYTES } from '../src/registry/blob-stream.js';
import type { BlobSource } from '../src/registry/endpoint.js';
import { fetchBlob, newFetchMeter } from '../src/registry/fetch-blob.js';
import { readBlob } from '../src/registry/file-blob.js';
import type { ByteSink } from '../src/registry/http-body.js';
import type { FileRange } from '../src/registry/layout-archive.js';
import { task } from './task.js';

/** A blob in a file here. */
export interface FileSource {
  readonly file: FileRange;
  /** Of the blob, where it is known; `BlobInput.digest` is only a name then. */
  readonly digest: Digest | undefined;
}

export interface BlobInput {
  readonly source: BlobSource | FileSource;
  readonly digest: Digest;
  /** Undefined for a tar that is to be a layer, whatever it is. */
  readonly diffID: DiffID | undefined;
  readonly size: number;
  /** The folder of partial downloads. */
  readonly partials: string;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

export interface TarInput {
  /** A private directory with an empty `diff/`. */
  readonly staging: string;
  /** Where its files are to be linked from, or may have holes: a container's (see Extractor). */
  readonly extract?: { readonly given: string } | { readonly holes: true };
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

export interface BlobOutput {
  readonly tarSplit: string;
  readonly files: string;
  readonly diffID: DiffID;
  readonly compression: CompressionSpec;
  /** Descriptors belong to the process: one that the main thread opened and keeps open meanwhile. */
  readonly fd: number;
  readonly position?: number;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

export interface Inflated {
  readonly diffID: DiffID;
  readonly compression: Compression;
  readonly retries: number;
  readonly waitingMs: number;
}

/** 'restart': the server ignores Range; throw away what is staged and begin again. */
type OrRestart<T> = T | 'restart';

/** Tar bytes that are hashed and written at one go; they should still be in the second-level cache. */
const REGION_BYTES = 256 * 1024;

/** What this thread keeps between tasks; a worker is a module of its own, so this is its state and nobody else's. */
const thread = {
  input: fixedBuffer(BLOB_BUFFER_BYTES),
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
  const { source, diffID } = input;
  const local = 'file' in source;
  const pass = new BlobPass({
    ...input,
    digest: local ? source.digest : input.digest,
    hint: local
      ? 'the archive is damaged, or was changed; make it again'
      : 'the registry or a proxy in between serves damaged bytes; pull again, or from another mirror',
    blobHash: await tools.hasher('blob', algorithmOf(input.digest)),
    diffHash: await tools.hasher('diff', algorithmOf(diffID ?? input.digest)),
    decompressors: tools.decompressors,
    target,
  });
  try {
    const { input: buffer, contexts } = thread;
    const sink: ByteSink = (bytes, start, end) => pass.write(bytes, start, end);
    if (local) {
      readBlob({ range: source.file, buffer, sink, words, decompressors: tools.decompressors });
    } else {
      const { outcome } = await fetchBlob({ ...input, source, words, meter, buffer, contexts, sink });
      if (outcome === 'restart') return 'restart';
    }
    words.phase = 'verifying';
    const verified = pass.finish();
    words.phase = 'extracting';
    return { ...verified, retries: meter.retries, waitingMs: meter.waitingMs };
  } finally {
    pass.close();
  }
}

/** Writes tar bytes and counts them. */
function writer(
  input: TarInput,
  tools: PassTools,
): { layer: LayerWriter; take: (bytes: Buffer, length: number) => void } {
  const words = new ProgressWords(input.words);
  const layer = new LayerWriter(input.staging, tools.crc, input.extract);
  let total = 0;
  const take = (bytes: Buffer, length: number): void => {
    layer.write(bytes, 0, length);
    total += length;
    words.set('bytesOut', total);
  };
  return { layer, take };
}

/** Fetches, verifies and unpacks one layer. */
export const fetchLayer = task(
  async (input: BlobInput & TarInput): Promise<OrRestart<Inflated & Written>> => {
    const tools = await toolsFor(input.hash);
    const { layer, take } = writer(input, tools);
    try {
      const { region } = thread;
      const target = { acquire: () => region, commit: (length: number) => take(region, length) };
      const inflated = await inflate(input, tools, target);
      if (inflated === 'restart') return 'restart';
      return { ...inflated, ...(await layer.finish()) };
    } finally {
      layer.close();
    }
  },
);

/** The half that fetches, inflates into a ring, and verifies. A half that fails is told to the other by the coordinator. */
export const inflateLayer = task(
  async (input: BlobInput & { ring: SharedRing }): Promise<OrRestart<Inflated>> => {
    const words = new ProgressWords(input.words);
    const ring = new SlotRing(input.ring, () => words.canceled);
    const inflated = await inflate(input, await toolsFor(input.hash), ring);
    if (inflated !== 'restart') ring.finish();
    return inflated;
  },
);

/** The half that takes tar bytes from a ring and unpacks them; whether they are right, the other half tells. */
export const writeLayer = task(async (input: TarInput & { ring: SharedRing }): Promise<Written> => {
  const words = new ProgressWords(input.words);
  const ring = new SlotRing(input.ring, () => words.canceled);
  const { layer, take } = writer(input, await toolsFor(input.hash));
  try {
    ring.drain(take);
    return await layer.finish();
  } finally {
    layer.close();
  }
});

export interface UploadInput {
  readonly source: BlobSource;
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly words: SharedArrayBuffer;
}

/** Uploads a file as a blob. */
export const uploadLayer = task(async (input: UploadInput): Promise<void> => {
  const { uploadFile } = await import('../src/registry/upload-file.js');
  await uploadFile({ ...input, words: new ProgressWords(input.words) });
});

export interface PackInput {
  /** The write layer's files. */
  readonly files: string;
  /** Those of the image's layers, top first. */
  readonly lowers: readonly string[];
  /** The container's files are given up: the half that writes links them. */
  readonly given: boolean;
  readonly ring: SharedRing;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

/** The half that makes a tar of a container's changes and hashes it; `writeLayer` is the other. */
export const packLayer = task(async (input: PackInput): Promise<DiffID> => {
  const words = new ProgressWords(input.words);
  const ring = new SlotRing(input.ring, () => words.canceled);
  const tools = await toolsFor(input.hash);
  const below = new LowerView(input.lowers);
  try {
    const diffID = packChanges({
      files: input.files,
      given: input.given,
      hash: await tools.hasher('diff', 'sha256'),
      below: (path) => below.find(path),
      target: ring,
    });
    ring.finish();
    return diffID;
  } finally {
    below.close();
  }
});

export interface CheckInput {
  readonly tarSplit: string;
  /** The layer's files. */
  readonly files: string;
  /** Those of the layers below, top first; undefined when they are not all there. */
  readonly lowers: readonly string[] | undefined;
  readonly diffID: DiffID;
  /** Also rebuild the tar. */
  readonly deep: boolean;
  readonly hash: HashBackend;
  readonly words: SharedArrayBuffer;
}

/** Checks a layer's files. */
export const checkLayer = task(async (input: CheckInput): Promise<LayerCheck> => {
  const { tarSplit, files, diffID } = input;
  const { crc, hasher } = await toolsFor(input.hash);
  const below = input.lowers && new LowerView(input.lowers);
  try {
    return await check({
      tarSplit,
      files,
      crc,
      below: below && ((path) => below.find(path)),
      words: new ProgressWords(input.words),
      ...(input.deep ? { deep: { hash: await hasher('diff', algorithmOf(diffID)), diffID } } : {}),
    });
  } finally {
    below?.close();
  }
});

/** Writes one layer as a blob, checked against its diffID. */
export const layerBlob = task(async (input: BlobOutput): Promise<WrittenBlob> => {
  const tools = await toolsFor(input.hash);
  return writeLayerBlob({
    ...input,
    crc: tools.crc,
    diffHash: await tools.hasher('diff', algorithmOf(input.diffID)),
    blobHash: await tools.hasher('blob', 'sha256'),
    words: new ProgressWords(input.words),
  });
});
