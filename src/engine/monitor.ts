/**
 * The main thread's side of the supervisor thread (workers/supervisor.ts).
 *
 *   idle ──start──► starting ──started──► running ──stop──► stopping ──exit──► stopped
 *     └──────────────stop──────────────────────────────────────────────────────► ▲
 *                      └─────error, exit, stop───┴── error, exit ────────────────┘
 *
 * Every promise that was handed out settles in `stopped`: those of a thread that died with ERR_WORKER_DIED. Samples
 * are latest-wins: `next` gives the newest batch that it has not given, and batches that nobody asked for are dropped.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { SupervisorData } from '../../workers/supervisor.js';
import { GantryError, unreachable } from '../core/errors.js';
import type { Notice, Request } from '../supervisor/messages.js';
import type { Sample } from '../supervisor/sample.js';
import type { Target } from '../supervisor/tracked.js';
import { workerFile } from './worker-file.js';

export type MonitorState = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped';
export type MonitorEvent = Extract<Notice, { tell: 'exit' | 'oom' | 'error' }>;

/** As much of a Worker as is used here. */
export interface Thread {
  postMessage(request: Request): void;
  on(event: 'message', heard: (notice: Notice) => void): unknown;
  on(event: 'error', heard: (error: unknown) => void): unknown;
  on(event: 'exit', heard: (code: number) => void): unknown;
  terminate(): unknown;
}

export interface MonitorOptions {
  /** Milliseconds between samples. */
  readonly interval: number;
  /** Milliseconds before the first batch; default: the interval, at most FIRST_MS. */
  readonly first?: number;
  readonly onEvent?: (event: MonitorEvent) => void;
  readonly spawn?: (data: SupervisorData) => Thread;
}

/** What a user waits for the first figures: long enough for a percentage of ticks of 10 ms. */
export const FIRST_MS = 200;
/** A thread that does not answer for so long is ended. */
const GRACE_MS = 1000;

const spawnWorker = (workerData: SupervisorData): Thread =>
  new Worker(workerFile('supervisor'), { workerData, name: 'gantry supervisor', env: SHARE_ENV });

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: GantryError) => void;
}

function deferred(): Deferred {
  let resolve!: () => void;
  let reject!: (error: GantryError) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {}); // its holder is told; that nobody holds it is no failure
  return { promise, resolve, reject };
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #untaken = new Int32Array(new SharedArrayBuffer(4));
  readonly #targets = new Map<string, Target>();
  readonly #started = deferred();
  readonly #stopped = deferred();
  #state: MonitorState = 'idle';
  #thread: Thread | undefined;
  #failure: GantryError | undefined;
  #newest: readonly Sample[] | undefined;
  /** Wakes those who wait in `next`. */
  #arrival = deferred();

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  get state(): MonitorState {
    return this.#state;
  }

  /** Resolves when the thread runs. ERR_WORKER_DIED; ERR_CANCELED when it was stopped before. */
  start(): Promise<void> {
    if (this.#state !== 'idle') return this.#started.promise;
    const { interval, first = Math.min(interval, FIRST_MS), spawn = spawnWorker } = this.#options;
    const thread = spawn({ proc: '/proc', interval, first, untaken: this.#untaken });
    this.#state = 'starting';
    this.#thread = thread;
    thread.on('message', (notice) => this.#hear(notice));
    thread.on('error', (cause) => this.#end(cause));
    thread.on('exit', (code) => this.#end(new Error(`exit code ${code}`)));
    return this.#started.promise;
  }

  /** The containers that are tracked now. */
  get targets(): ReadonlyMap<string, Target> {
    return this.#targets;
  }

  /** Tracks a container, from `start` on; does nothing for one that is tracked as that process already. */
  track(target: Target): void {
    const known = this.#targets.get(target.id);
    if (known?.pid === target.pid && known.startTicks === target.startTicks) return;
    if (!this.#ask({ ask: 'track', target })) return;
    this.#targets.set(target.id, target);
  }

  untrack(id: string): void {
    if (this.#targets.delete(id)) this.#ask({ ask: 'untrack', id });
  }

  /**
   * The newest batch of samples that was not given yet; waits for one. Undefined when the monitor was stopped or
   * `signal` aborted. ERR_WORKER_DIED.
   */
  async next(signal?: AbortSignal): Promise<readonly Sample[] | undefined> {
    const wake = (): void => this.#wake();
    signal?.addEventListener('abort', wake, { once: true });
    try {
      for (;;) {
        const newest = this.#newest;
        this.#newest = undefined;
        if (this.#failure !== undefined) throw this.#failure;
        if (signal?.aborted || this.#state === 'stopping' || this.#state === 'stopped') return undefined;
        if (newest !== undefined) return newest;
        await this.#arrival.promise;
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }

  /** Resolves when the thread has ended, by itself or by force. Never rejects. */
  stop(): Promise<void> {
    switch (this.#state) {
      case 'idle':
        this.#end();
        break;
      case 'starting':
      case 'running': {
        this.#ask({ ask: 'stop' });
        this.#state = 'stopping';
        this.#wake();
        const thread = this.#thread!;
        const grace = setTimeout(() => thread.terminate(), GRACE_MS);
        void this.#stopped.promise.then(() => clearTimeout(grace));
        break;
      }
      case 'stopping':
      case 'stopped':
        break;
      default:
        unreachable(this.#state);
    }
    return this.#stopped.promise;
  }

  /** False when there is no thread to ask. */
  #ask(request: Request): boolean {
    if (this.#state !== 'starting' && this.#state !== 'running') return false;
    this.#thread!.postMessage(request);
    return true;
  }

  #hear(notice: Notice): void {
    if (notice.tell === 'sample') Atomics.store(this.#untaken, 0, 0);
    if (this.#state !== 'starting' && this.#state !== 'running') return;
    switch (notice.tell) {
      case 'started':
        this.#state = 'running';
        this.#started.resolve();
        break;
      case 'sample':
        this.#newest = notice.samples;
        this.#wake();
        break;
      case 'oom':
        if (this.#isCurrent(notice)) this.#options.onEvent?.(notice);
        break;
      case 'exit':
      case 'error':
        // One that was untracked, or tracked as another process, while the notice was on its way.
        if (!this.#isCurrent(notice)) break;
        this.#targets.delete(notice.id);
        this.#options.onEvent?.(notice);
        break;
      default:
        unreachable(notice);
    }
  }

  #isCurrent({ id, pid }: MonitorEvent): boolean {
    return this.#targets.get(id)?.pid === pid;
  }

  #wake(): void {
    this.#arrival.resolve();
    this.#arrival = deferred();
  }

  #end(cause?: unknown): void {
    if (this.#state === 'stopped') return;
    const asked = this.#state === 'idle' || this.#state === 'stopping';
    this.#state = 'stopped';
    this.#targets.clear();
    if (!asked) {
      this.#failure = new GantryError('ERR_WORKER_DIED', 'the supervisor thread died', {}, { cause });
    }
    this.#started.reject(
      this.#failure ?? new GantryError('ERR_CANCELED', 'the supervisor thread was stopped before it ran'),
    );
    this.#wake();
    this.#stopped.resolve();
  }
}
