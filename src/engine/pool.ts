/**
 * The pool of worker threads, typed by the module that the threads run: task names, inputs and results are those of
 * `workers/layer.ts`. Tasks get paths and return receipts (DESIGN §1.3); errors come back as GantryErrors.
 *
 * Cancel in two steps: `words.cancel()` asks a running task, which cleans up and keeps its thread; `signal` is for
 * tasks that are still queued, or for a task that did not listen: it kills the thread and skips `finally`.
 */
import { SHARE_ENV } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type * as LayerTasks from '../../workers/layer.js';
import type { Reply } from '../../workers/task.js';
import { GantryError } from '../core/errors.js';
import { fromWire } from '../core/wire-error.js';
import { workerFile } from './worker-file.js';

type Tasks = typeof LayerTasks;
export type TaskName = keyof Tasks;
type Input<Name extends TaskName> = Parameters<Tasks[Name]>[0];
type Output<Name extends TaskName> =
  Awaited<ReturnType<Tasks[Name]>> extends Reply<infer Value> ? Value : never;

export class Pool {
  readonly #piscina: Piscina;

  /** Two threads start at once, which every pull can use; more as tasks come, at most `threads`. */
  constructor(readonly threads: number) {
    this.#piscina = new Piscina({
      filename: workerFile('layer'),
      // A thread looks for this one when it starts. For a name it does not find it would parse the file a second time,
      // as an ES module: 50 ms.
      name: 'fetchLayer' satisfies TaskName,
      minThreads: Math.min(2, threads),
      // Nothing in a thread reads its own copy of the environment, and making one takes time.
      env: SHARE_ENV,
      maxThreads: threads,
      // A pull's tasks come at once; a thread that has none left is not needed again.
      idleTimeout: 1000,
      // The worker's event loop must run between tasks, because sockets close in it.
      atomics: 'disabled',
    });
  }

  /** Runs one task. The pool does not bound its queue: the coordinator does. */
  async run<Name extends TaskName>(
    name: Name,
    input: Input<Name>,
    signal?: AbortSignal,
  ): Promise<Output<Name>> {
    let reply: Reply<Output<Name>>;
    try {
      reply = (await this.#piscina.run(input, { name, ...(signal ? { signal } : {}) })) as Reply<
        Output<Name>
      >;
    } catch (cause) {
      if (signal?.aborted) throw new GantryError('ERR_CANCELED', `${name}: canceled`, {}, { cause });
      throw new GantryError('ERR_WORKER_DIED', `${name}: the worker thread died`, {}, { cause });
    }
    if (!reply.ok) throw fromWire(reply.error);
    return reply.value;
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}
