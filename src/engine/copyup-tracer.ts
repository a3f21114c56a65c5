/**
 * The main thread's side of the tracer thread (workers/tracer.ts): started before the container's command, asked to stop
 * after its end. A thread that dies costs the container nothing: what it watched is lost, and the next `stop` says so.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { Traced, TracerData, TracerNotice } from '../../workers/tracer.js';
import { GantryError, unreachable } from '../core/errors.js';
import { fromWire } from '../core/wire-error.js';
import { workerFile } from './worker-file.js';

export type { Traced };

export class CopyUpTracer {
  readonly #stop: Int32Array;
  readonly #traced: Promise<Traced>;

  private constructor(
    stop: Int32Array,
    traced: Promise<Traced>,
    /** Why nothing is watched, although it was wanted. */
    readonly refused: GantryError | undefined,
  ) {
    this.#stop = stop;
    this.#traced = traced;
  }

  /** Resolves when every copy-up from now on is seen, or when it is known that none will be. ERR_WORKER_DIED. */
  static async start(data: Omit<TracerData, 'stop'>): Promise<CopyUpTracer> {
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const workerData: TracerData = { ...data, stop };
    const worker = new Worker(workerFile('tracer'), {
      workerData,
      name: 'gantry tracer',
      env: SHARE_ENV,
      trackUnmanagedFds: false, // the kernel gave them to the FFI, Node does not know them
    });
    const died = (cause: unknown) =>
      new GantryError('ERR_WORKER_DIED', 'the tracer thread died', {}, { cause });
    let armed!: (refused: GantryError | undefined) => void;
    const arming = new Promise<GantryError | undefined>((resolve) => {
      armed = resolve;
    });
    const traced = new Promise<Traced>((resolve, reject) => {
      worker.on('error', (error) => reject(died(error)));
      worker.on('exit', (code) => reject(died(new Error(`exit code ${code}`))));
      worker.on('message', (notice: TracerNotice) => {
        switch (notice.tell) {
          case 'armed':
            return armed(notice.refused && fromWire(notice.refused));
          case 'done':
            return resolve(notice.traced);
          case 'failed':
            return reject(fromWire(notice.error));
          default:
            return unreachable(notice);
        }
      });
    });
    traced.catch(() => {}); // who asks is told
    const refused = await Promise.race([arming, traced.then(() => undefined)]);
    return new CopyUpTracer(stop, traced, refused);
  }

  /** What was copied up. Throws what reading the upper directory throws; ERR_WORKER_DIED. */
  stop(): Promise<Traced> {
    Atomics.store(this.#stop, 0, 1);
    Atomics.notify(this.#stop, 0);
    return this.#traced;
  }
}
