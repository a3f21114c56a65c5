/**
 * A pool of worker threads, typed by the module that the threads run: task names, inputs and results are those of
 * `workers/layer.ts` or `workers/copyup.ts`. Tasks get paths and return receipts (DESIGN §1.3); errors come back as GantryErrors.
 *
 * Cancel in two steps: `words.cancel()` asks a running task, which cleans up and keeps its thread; `signal` is for
 * tasks that are still queued, or for a task that did not listen: it kills the thread and skips `finally`.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { SHARE_ENV, type Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type * as CopyUpTasks from '../../workers/copyup.js';
import type * as LayerTasks from '../../workers/layer.js';
import type { Reply } from '../../workers/task.js';
import { GantryError } from '../core/errors.js';
import { fromWire } from '../core/wire-error.js';
import { workerFile } from './worker-file.js';

interface Modules {
  readonly layer: typeof LayerTasks;
  readonly copyup: typeof CopyUpTasks;
}
type ModuleName = keyof Modules;
type Tasks<Module extends ModuleName> = Record<TaskName<Module>, (input: never) => Promise<Reply<unknown>>> &
  Modules[Module];
type TaskName<Module extends ModuleName> = keyof Modules[Module] & string;
export type Input<Module extends ModuleName, Name extends TaskName<Module>> = Parameters<
  Tasks<Module>[Name]
>[0];
type Output<Module extends ModuleName, Name extends TaskName<Module>> =
  Awaited<ReturnType<Tasks<Module>[Name]>> extends Reply<infer Value> ? Value : never;

/** A task looks at its cancel word every 100 ms; this is for one that hangs. */
const CLOSE_MS = 10_000;

/**
 * A thread looks for this one when it starts. For a name it does not find it would parse the file a second time, as an ES
 * module: 50 ms.
 */
const FIRST: { readonly [Module in ModuleName]: TaskName<Module> } = {
  layer: 'fetchLayer',
  copyup: 'compareFiles',
};

export class Pool<Module extends ModuleName = 'layer'> {
  readonly #piscina: Piscina;
  /** Settled for a thread that has loaded its module: that is the first thing it tells. */
  readonly #loaded = new Map<Worker, Promise<unknown>>();
  readonly #running = new Set<Promise<unknown>>();

  /** Two threads start at once, which every caller can use; more as tasks come, at most `threads`. */
  constructor(
    module: Module,
    readonly threads: number,
  ) {
    this.#piscina = new Piscina({
      filename: workerFile(module),
      name: FIRST[module],
      minThreads: Math.min(2, threads),
      // Nothing in a thread reads its own copy of the environment, and making one takes time.
      env: SHARE_ENV,
      maxThreads: threads,
      // A pull's tasks come at once; a thread that has none left is not needed again.
      idleTimeout: 1000,
      // The worker's event loop must run between tasks, because sockets close in it.
      atomics: 'disabled',
    });
    this.#watch();
  }

  /** Runs one task. The pool does not bound its queue: the coordinator does. */
  async run<Name extends TaskName<Module>>(
    name: Name,
    input: Input<Module, Name>,
    signal?: AbortSignal,
  ): Promise<Output<Module, Name>> {
    let reply: Reply<Output<Module, Name>>;
    try {
      const running = this.#piscina.run(input, { name, ...(signal ? { signal } : {}) });
      this.#watch();
      this.#running.add(running);
      reply = (await running.finally(() => this.#running.delete(running))) as typeof reply;
    } catch (cause) {
      if (signal?.aborted) throw new GantryError('ERR_CANCELED', `${name}: canceled`, {}, { cause });
      throw new GantryError('ERR_WORKER_DIED', `${name}: the worker thread died`, {}, { cause });
    }
    if (!reply.ok) throw fromWire(reply.error);
    return reply.value;
  }

  /**
   * A thread that is ended inside native code takes the process with it (koffi's N-API calls fail, "FATAL ERROR:
   * napi_throw"): threads may go when they are loaded and their tasks, which somebody has canceled where he wants no result,
   * are done. One that does not end in time is killed all the same.
   */
  async close(): Promise<void> {
    await Promise.all(this.#loaded.values());
    const late = new AbortController();
    const ended = Promise.allSettled(this.#running).finally(() => late.abort());
    await Promise.race([ended, sleep(CLOSE_MS, undefined, { signal: late.signal }).catch(() => {})]);
    await this.#piscina.destroy();
  }

  #watch(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#loaded.has(thread)) continue;
      const told = Promise.race([once(thread, 'message'), once(thread, 'exit')]);
      // What ended a thread is told by its task.
      this.#loaded.set(
        thread,
        told.catch(() => {}),
      );
    }
  }
}
