/**
 * `import`: a tar of a file system becomes an image of one layer. It goes through the pass of a pull, with the diffID asked
 * for instead of given.
 *
 *   file │ pipe, URL → <root>/gantry/tmp/<id>/tar   ─► inflate ─► diffID ─► staging ─► layer ─► config ─► name
 */
import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import { chainIDOf, type DiffID, type Digest, digestOf, hexOf, type ImageID } from '../core/digest/digest.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { newCacheID } from '../core/ids.js';
import { ProgressWords } from '../core/progress-words.js';
import { applyChanges } from '../image/dockerfile-change.js';
import { hostPlatform, parsePlatform } from '../registry/platform.js';
import { familiarString, withDefaultTag } from '../registry/reference.js';
import { displayURL } from '../registry/registry-error.js';
import { basicHeader } from '../registry/token.js';
import { settleDurability } from './durability.js';
import { recordImageEvent } from './events.js';
import { type ArchiveSource, keep, pathOf } from './open-archive.js';
import { Pool } from './pool.js';
import type { Store } from './store.js';
import { parseTarget } from './tag-image.js';

export interface ImportOptions {
  readonly source: ArchiveSource | { readonly kind: 'url'; readonly url: string };
  /** REPOSITORY[:TAG] */
  readonly reference?: string;
  /** Default: where it came from, without what a URL has of secrets. */
  readonly message?: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** os/arch[/variant]; default this machine's. */
  readonly platform?: string;
  readonly signal: AbortSignal;
}

/**
 * Throws ERR_NOT_FOUND and ERR_NETWORK for the source, ERR_INVALID_REFERENCE, ERR_INVALID_ARGUMENT for a change, ERR_LAYER_*
 * for what is no tar, ERR_NO_SPACE, ERR_CANCELED.
 */
export async function importImage(store: Store, options: ImportOptions): Promise<ImageID> {
  const { changes, source, signal } = options;
  const message = options.message ?? `Imported from ${shownSource(source)}`;
  const reference =
    options.reference === undefined
      ? undefined
      : familiarString(withDefaultTag(parseTarget(options.reference)));
  const config = applyChanges({}, changes);
  const { os, architecture, variant } =
    options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  const lock = await store.lock('shared', { signal });
  try {
    await settleDurability(store);
    await store.layers.sweep();
    const diffID = await importLayer(store, options);
    const created = new Date().toISOString();
    const document = {
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      comment: message,
      created,
      config,
      rootfs: { type: 'layers', diff_ids: [diffID] },
      history: [{ created, comment: message }],
    };
    return await publish(store, Buffer.from(JSON.stringify(document)), reference);
  } finally {
    lock.release();
  }
}

function shownSource(source: ImportOptions['source']): string {
  if (source.kind === 'descriptor') return '-';
  if (source.kind === 'path') return source.path;
  return URL.canParse(source.url) ? displayURL(new URL(source.url)) : source.url;
}

async function importLayer(store: Store, { source, signal }: ImportOptions): Promise<DiffID> {
  const { makeHeldDirectory } = await import('../core/held-directory.js');
  const scratch = makeHeldDirectory(join(store.root, 'gantry', 'tmp'), newCacheID);
  const pool = new Pool('layer', 1);
  try {
    const spool = join(scratch.path, 'tar');
    const path =
      source.kind === 'url' ? await download(source.url, spool, signal) : await pathOf(source, spool, signal);
    const hash = await chooseHashBackend('auto', join(store.root, 'gantry', 'hash.json'));
    return await commitTar(store, pool, { path, hash, signal });
  } finally {
    await pool.close();
    await rm(scratch.path, { recursive: true, force: true });
    scratch.release();
  }
}

async function download(url: string, to: string, signal: AbortSignal): Promise<string> {
  if (!URL.canParse(url)) throw new GantryError('ERR_INVALID_ARGUMENT', `${url}: expected a URL`);
  const from = new URL(url);
  const { username, password } = from;
  const login = basicHeader(decodeURIComponent(username), decodeURIComponent(password));
  const headers: Record<string, string> = username === '' ? {} : { authorization: login };
  from.username = '';
  from.password = '';
  const shown = displayURL(from);
  let response: Response;
  try {
    response = await fetch(from, { signal, headers });
  } catch (cause) {
    if (signal.aborted) throw new GantryError('ERR_CANCELED', `${shown}: canceled`, {}, { cause });
    const errno = errnoCode((cause as Error).cause) ?? 'no answer';
    throw new GantryError('ERR_NETWORK', `${shown}: ${errno}`, { errno }, { cause });
  }
  if (!response.ok || response.body === null) {
    throw new GantryError('ERR_NETWORK', `${shown}: expected status 200, found ${response.status}`);
  }
  await keep(Readable.fromWeb(response.body as ReadableStream), to, signal);
  return to;
}

async function commitTar(
  store: Store,
  pool: Pool,
  { path, hash, signal }: { path: string; hash: 'wasm' | 'native'; signal: AbortSignal },
): Promise<DiffID> {
  const started = performance.now();
  const stat = statSync(path);
  if (stat.isDirectory()) {
    throw new GantryError('ERR_INVALID_ARGUMENT', `${path}: expected a tar, found a directory`);
  }
  const { size } = stat;
  const words = new ProgressWords();
  const cancel = (): void => words.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  const staging = await store.layers.stage();
  let parked = false;
  try {
    const done = await pool.run('fetchLayer', {
      source: { file: { path, offset: 0, size }, digest: undefined },
      // What the work is called; the tar has no digest before it is read.
      digest: digestOf(path),
      diffID: undefined,
      ...{ size, hash, words: words.shared, staging: staging.dir, partials: staging.dir },
    });
    if (done === 'restart') throw new GantryError('ERR_INTERNAL', `${path}: expected a file to be read once`);
    const { diffID, waitingMs, ...written } = done;
    const timings = { total: performance.now() - started, waiting: waitingMs };
    const receipt = {
      ...{ ...written, diffID, timings },
      ...{ digest: diffID as string as Digest, compressedSize: size },
    };
    const chainID = chainIDOf(undefined, diffID);
    const lock = await store.layers.lock(chainID, { signal });
    try {
      if (store.layers.get(chainID) === undefined) {
        parked = true;
        await store.layers.commit(await store.layers.park(chainID, staging, receipt), undefined);
      }
    } finally {
      lock.release();
    }
    return diffID;
  } finally {
    signal.removeEventListener('abort', cancel);
    if (!parked) await store.layers.discard(staging);
  }
}

async function publish(store: Store, config: Buffer, reference: string | undefined): Promise<ImageID> {
  const id = store.images.put(config);
  const lock = await store.lockNamed('images', hexOf(id));
  try {
    if (reference !== undefined) {
      await store.tags.update({ set: [{ reference, imageID: id }] });
      store.images.setLastUpdated(id, new Date());
    }
    recordImageEvent(store, 'import', id, reference ?? id);
    return id;
  } finally {
    lock.release();
  }
}
