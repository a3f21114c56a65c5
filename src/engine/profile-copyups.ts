/**
 * A copy-up profile of a container: of a run from before its first process to after its last, or of a running container
 * for a while. Where tracing is not to be had (no CAP_SYS_ADMIN, an old kernel) or not wanted, the upper directory alone
 * tells what was copied and from where; the profile's `source` says which it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CopyUpProfile, PROFILE_SCHEMA, type ProfileLayer } from '../copyup/profile.js';
import { GantryError, isGantryError } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { type ContainerRecord, plainName } from '../runtime/container-record.js';
import { ContainerStore } from '../runtime/container-store.js';
import type { CreateRequest } from '../runtime/create-request.js';
import { findContainer } from './containers.js';
import { withAmplification } from './copyup-amplification.js';
import { CopyUpTracer, type Traced } from './copyup-tracer.js';
import type { ContainerImage } from './create-container.js';
import { saveProfile } from './profile-files.js';
import { type ForegroundOptions, runContainer } from './run.js';
import { stopContainer } from './stop-container.js';
import type { Store } from './store.js';

export interface ProfileOptions {
  /** False: from the upper directory alone. */
  readonly trace: boolean;
  /** Milliseconds to watch; without it to the container's end, or until `signal`. */
  readonly duration?: number;
  readonly signal?: AbortSignal;
  readonly onWarning?: (text: string) => void;
  /** Called when every copy-up from now on is seen. */
  readonly onTracing?: () => void;
}

export interface Profiled {
  readonly profile: CopyUpProfile;
  /** Where it was saved. */
  readonly path: string;
}

/** Runs a new container in the foreground; after `duration` it is stopped. Throws what `runContainer` throws. */
export async function profileRun(
  store: Store,
  image: ContainerImage,
  request: CreateRequest,
  options: ForegroundOptions & ProfileOptions,
): Promise<Profiled & { readonly exitCode: number }> {
  const ended = new AbortController();
  let tracing: Tracing | undefined;
  let profiled: Profiled | undefined;
  try {
    const exitCode = await runContainer(store, image, request, {
      ...options,
      onReady: async (id) => {
        tracing = await startTracing(store, new ContainerStore(store.root).find(id), options);
        if (options.duration !== undefined) void stopAfter(store, id, options.duration, ended.signal);
      },
      onEnded: async (_id, code) => {
        ended.abort();
        profiled = await conclude(store, tracing!, code);
      },
    });
    return { ...profiled!, exitCode };
  } finally {
    ended.abort();
    void tracing?.tracer.stop().catch(() => {});
  }
}

/** What a running container copies up from now on; of one that does not run, what it has copied. ERR_NOT_FOUND. */
export async function profileContainer(
  store: Store,
  what: string,
  options: ProfileOptions,
): Promise<Profiled> {
  const record = await findContainer(store, what);
  const running = record.State.Running;
  if (options.trace && !running) {
    options.onWarning?.(`container ${plainName(record)} does not run: only its upper directory is looked at`);
  }
  const tracing = await startTracing(store, record, { ...options, trace: options.trace && running });
  if (tracing.traced) {
    options.onTracing?.();
    await untilEnd(store, record.ID, options);
  }
  return conclude(store, tracing);
}

interface Tracing {
  readonly record: ContainerRecord;
  readonly layers: readonly ProfileLayer[];
  readonly tracer: CopyUpTracer;
  readonly traced: boolean;
  /** Ends the trace. Where it has failed, the upper directory alone is looked at. */
  readonly collect: () => Promise<Traced>;
}

async function startTracing(
  store: Store,
  record: ContainerRecord,
  { trace, onWarning }: ProfileOptions,
): Promise<Tracing> {
  const mounted = store.layers.db.mounts.get(record.ID);
  if (mounted === undefined) {
    throw new GantryError('ERR_STORE_CORRUPT', `container ${record.ID} has no write layer`, {
      hint: `gantry rm ${record.ID}`,
    });
  }
  const { UpperDir: upper, WorkDir: work, MergedDir: merged } = store.driver.data(mounted.mountID);
  const below = store.driver.below(mounted.mountID);
  const data = { mount: { upper, work, merged }, lowers: below.map((id) => store.driver.files(id)) };
  const tracer = await CopyUpTracer.start({ ...data, watch: trace });
  if (tracer.refused !== undefined) {
    onWarning?.(
      `copy-ups cannot be traced: ${tracer.refused.message}; only the upper directory is looked at`,
    );
  }
  const known = layerFacts(store, record);
  const traced = trace && tracer.refused === undefined;
  return {
    record,
    layers: below.map((cacheID) => known.get(cacheID) ?? { cacheID }),
    tracer,
    traced,
    collect: () =>
      tracer.stop().catch(async (error: unknown) => {
        if (!traced || !isGantryError(error)) throw error;
        onWarning?.(`the trace ended early: ${error.message}; only the upper directory is looked at`);
        return (await CopyUpTracer.start({ ...data, watch: false })).stop();
      }),
  };
}

/** What is known of the image's layers, by cache id. */
function layerFacts(store: Store, record: ContainerRecord): Map<string, ProfileLayer> {
  const parent = store.layers.db.mounts.get(record.ID)?.parent;
  const chain = parent === undefined ? [] : store.layers.chain(parent).reverse();
  const steps = (store.images.get(record.Image)?.config.history ?? []).filter((step) => !step.empty_layer);
  return new Map(
    chain.map(({ cacheID, chainID }, at) => {
      const createdBy = steps[at]?.created_by;
      return [cacheID, { chainID, cacheID, ...(createdBy === undefined ? {} : { createdBy }) }];
    }),
  );
}

/** What a container has copied up so far, from its upper directory alone; not saved, so that it never grows old. ERR_NOT_FOUND. */
export async function upperProfile(store: Store, what: string): Promise<CopyUpProfile> {
  const record = await findContainer(store, what);
  return profileOf(store, await startTracing(store, record, { trace: false }));
}

/** Stops the trace, makes the profile of it and saves it. */
async function conclude(store: Store, tracing: Tracing, exitCode?: number): Promise<Profiled> {
  const profile = await profileOf(store, tracing, exitCode);
  return { profile, path: saveProfile(store.root, profile) };
}

async function profileOf(store: Store, tracing: Tracing, exitCode?: number): Promise<CopyUpProfile> {
  const { record, layers } = tracing;
  const traced = await tracing.collect();
  return withAmplification(store, {
    schema: PROFILE_SCHEMA,
    source: traced.watched === undefined ? 'upper' : 'trace',
    container: {
      id: record.ID,
      name: plainName(record),
      image: record.Config.Image ?? '',
      imageID: record.Image,
    },
    ...timesOf(traced, record),
    ...(exitCode === undefined ? {} : { exitCode }),
    lost: traced.unreached + (traced.watched?.overflows ?? 0),
    layers,
    files: traced.files,
    created: traced.created,
  });
}

const timesOf = ({ watched }: Traced, record: ContainerRecord) =>
  watched === undefined
    ? { startedAt: record.Created }
    : { startedAt: new Date(watched.startedAt).toISOString(), durationMs: watched.durationMs };

async function stopAfter(store: Store, id: ContainerID, duration: number, ended: AbortSignal): Promise<void> {
  try {
    await sleep(duration, undefined, { signal: ended });
    await stopContainer(store, id);
  } catch {
    // it ended by itself
  }
}

const POLL_MS = 200;

/** Until the container's end, or that of what was asked for. */
async function untilEnd(store: Store, id: ContainerID, { duration, signal }: ProfileOptions): Promise<void> {
  const until = performance.now() + (duration ?? Number.POSITIVE_INFINITY);
  const records = new ContainerStore(store.root);
  while (performance.now() < until && !signal?.aborted && records.get(id)?.State.Running) {
    const rest = Math.min(POLL_MS, Math.max(0, until - performance.now()));
    await sleep(rest, undefined, signal ? { signal } : {}).catch(() => {});
  }
}
