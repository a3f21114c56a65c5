/**
 * `docker commit`: a container's write layer becomes a layer, and an image over the container's image.
 *
 *   still ─► pool: pack, write ─► park ─► commit ─► imagedb ─► repositories.json    the container keeps its files
 *   locked ─► "removing" ─► the same, files linked ─► container gone                    --consume
 *
 * A kill leaves the container as it was, or the image. With --consume it may leave a container that is being removed, files
 * and all: the same command, called again, ends it.
 *
 * Files that a container may write again are copied, never linked: it would write into the layer. (Where the file
 * system can share blocks they still have to be read for the digest.)
 */
import { join } from 'node:path';
import { chooseHashBackend } from '../core/digest/calibrate.js';
import {
  chainIDOf,
  type DiffID,
  hexOf,
  type ImageID,
  imageIDOf,
  parseDigest,
} from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { ProgressWords } from '../core/progress-words.js';
import { newSharedRing } from '../core/slot-ring.js';
import type { StoredImage } from '../image/imagedb.js';
import type { Written } from '../layer/layer-writer.js';
import type { LayerReceipt } from '../layer/receipt.js';
import { familiarString, withDefaultTag } from '../registry/reference.js';
import { transition } from '../runtime/container-state.js';
import { ContainerStore } from '../runtime/container-store.js';
import { committedConfig, committedImage } from './committed-image.js';
import { settleDurability } from './durability.js';
import { discard } from './end-container.js';
import { recordContainerEvent, recordImageEvent } from './events.js';
import type { Layer, Staging } from './layer-store.js';
import { Pool } from './pool.js';
import { endingOther, firstError } from './ring-halves.js';
import { type StillContainer, withStillContainer } from './still-container.js';
import type { Store } from './store.js';
import { parseTarget } from './tag-image.js';

export interface CommitOptions {
  /** REPOSITORY[:TAG] of the new image. */
  readonly reference?: string;
  readonly author: string;
  readonly message: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** Pause a running container meanwhile. */
  readonly pause: boolean;
  /** Give the stopped container up: its files become the layer's without being copied. */
  readonly consume: boolean;
  readonly signal: AbortSignal;
}

/** Of a tar without entries. */
const EMPTY = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

/**
 * ERR_NOT_FOUND for the container, or for its image that is gone; ERR_CONFLICT for one that is being removed, or runs and is
 * to be consumed; ERR_INVALID_REFERENCE, ERR_INVALID_ARGUMENT; what packLayer throws.
 */
export async function commitContainer(store: Store, what: string, options: CommitOptions): Promise<ImageID> {
  const reference =
    options.reference === undefined
      ? undefined
      : familiarString(withDefaultTag(parseTarget(options.reference)));
  const use = await store.lock('shared', { signal: options.signal });
  try {
    await settleDurability(store);
    await store.layers.sweep();
    return await withStillContainer(store, what, { pause: options.pause && !options.consume }, (container) =>
      commitStill(store, container, { ...options, reference }),
    );
  } finally {
    use.release();
  }
}

type PackedLayer = Written & { readonly diffID: DiffID };
type Commit = Omit<CommitOptions, 'reference'> & { readonly reference: string | undefined };

async function commitStill(store: Store, container: StillContainer, options: Commit): Promise<ImageID> {
  const { record } = container;
  checkState(container, options);
  const parent = parentImage(store, container);
  // A change that cannot be is told before the work, not after it.
  committedConfig(parent.config.config ?? {}, record.Config, options.changes);
  const below = container.mount.parent === undefined ? [] : store.layers.chain(container.mount.parent);
  const records = new ContainerStore(store.root);
  // From here on it cannot be started, which would write into files that are the layer's too.
  if (options.consume)
    records.put({ ...record, State: transition(record.State, { to: 'remove' }) }, { sync: true });
  const layer = await makeLayer(store, container, below, options).catch((error: unknown) => {
    if (options.consume) records.put(record, { sync: false });
    throw error;
  });
  const config = committedImage({
    parent: parent.config,
    settings: record.Config,
    diffID: layer?.diffID,
    author: options.author,
    message: options.message,
    changes: options.changes,
    created: new Date().toISOString(),
  });
  const id = await publish(store, config, parent.id, options.reference);
  recordContainerEvent(store, record, 'commit', {
    comment: options.message,
    imageID: id,
    imageRef: options.reference ?? '',
  });
  if (options.consume) {
    // What the container held is nowhere else from now on.
    await settleDurability(store, { olderThan: 0 });
    await discard(store, records, record, { volumes: false });
  }
  return id;
}

function checkState({ record: { ID, State } }: StillContainer, { consume }: Commit): void {
  const why = State.Dead
    ? `You cannot commit container ${ID} which is Dead`
    : State.RemovalInProgress && !consume
      ? `You cannot commit container ${ID} which is being removed`
      : consume && (State.Running || State.Restarting)
        ? `cannot consume container ${ID}: expected it to be stopped`
        : undefined;
  if (why === undefined) return;
  const hint = consume && State.Running ? { hint: `gantry stop ${ID.slice(0, 12)}` } : {};
  throw new GantryError('ERR_CONFLICT', why, hint);
}

function parentImage(store: Store, { record }: StillContainer): StoredImage {
  const parent = store.images.get(record.Image);
  if (parent !== undefined) return parent;
  throw new GantryError('ERR_NOT_FOUND', `No such image: ${record.Image}`, {
    hint: 'the image that the container was made of was removed; its files can still be had: gantry export',
  });
}

/** Undefined when the container changed nothing. */
async function makeLayer(
  store: Store,
  container: StillContainer,
  below: readonly Layer[],
  options: Commit,
): Promise<Layer | undefined> {
  const started = performance.now();
  const staging = await store.layers.stage();
  let packed: PackedLayer;
  try {
    packed = await pack(store, container, below, staging, options);
  } catch (error) {
    await store.layers.discard(staging);
    throw error;
  }
  if (packed.diffID === EMPTY) {
    await store.layers.discard(staging);
    return undefined;
  }
  const chainID = chainIDOf(below[0]?.chainID, packed.diffID);
  const held = await store.layers.lock(chainID, { signal: options.signal });
  try {
    const there = store.layers.get(chainID);
    if (there !== undefined) {
      await store.layers.discard(staging);
      return there;
    }
    const receipt = receiptOf(packed, performance.now() - started);
    const parked = await store.layers.park(chainID, staging, receipt);
    try {
      return await store.layers.commit(parked, below[0]);
    } catch (error) {
      // Its files may be the container's again, which will write to them.
      if (options.consume) await store.layers.dropParked(chainID);
      throw error;
    }
  } finally {
    held.release();
  }
}

async function pack(
  store: Store,
  { mount }: StillContainer,
  below: readonly Layer[],
  staging: Staging,
  { consume, signal }: Commit,
): Promise<PackedLayer> {
  const words = new ProgressWords();
  const cancel = (): void => words.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  const pool = new Pool('layer', 2);
  const ring = newSharedRing();
  const files = store.driver.files(mount.mountID);
  const both = {
    ring,
    hash: await chooseHashBackend('auto', join(store.root, 'gantry', 'hash.json')),
    words: words.shared,
  };
  try {
    const [diffID, written] = await Promise.allSettled([
      endingOther(
        ring,
        pool.run('packLayer', {
          ...both,
          files,
          lowers: below.map((layer) => store.driver.files(layer.cacheID)),
          given: consume,
        }),
      ),
      endingOther(
        ring,
        pool.run('writeLayer', {
          ...both,
          staging: staging.dir,
          extract: consume ? { given: files } : { holes: true },
        }),
      ),
    ]);
    if (diffID.status === 'fulfilled' && written.status === 'fulfilled')
      return { ...written.value, diffID: diffID.value };
    throw firstError([diffID, written]);
  } finally {
    signal.removeEventListener('abort', cancel);
    await pool.close();
  }
}

function receiptOf({ diffID, ...packed }: PackedLayer, total: number): LayerReceipt {
  return {
    ...packed,
    diffID,
    digest: parseDigest(diffID),
    compression: 'none',
    compressedSize: packed.tarSize,
    timings: { total, waiting: 0 },
    retries: 0,
  };
}

/** Config, parent, tag: in that order, so that whatever can be seen is whole. */
async function publish(
  store: Store,
  config: Buffer,
  parent: ImageID,
  reference: string | undefined,
): Promise<ImageID> {
  const id = imageIDOf(config);
  const held = await store.lockNamed('images', hexOf(id));
  try {
    store.images.put(config);
    store.images.setParent(id, parent);
    if (reference === undefined) return id;
    await store.tags.update({ set: [{ reference, imageID: id }] });
    store.images.setLastUpdated(id, new Date());
    recordImageEvent(store, 'tag', id, reference);
    return id;
  } finally {
    held.release();
  }
}
