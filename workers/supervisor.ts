/**
 * The supervisor thread. Samples are latest-wins: `untaken` counts batches on their way to the main thread, and while
 * there is one no other is sent, so a consumer that is busy finds one message, not a queue.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../src/supervisor/clock.js';
import type { Notice, Request } from '../src/supervisor/messages.js';
import { Supervisor } from '../src/supervisor/supervisor.js';

export interface SupervisorData {
  readonly proc: string;
  readonly interval: number;
  readonly first: number;
  /** One number, shared: batches of samples that were told and not taken. */
  readonly untaken: Int32Array;
}

const { proc, interval, first, untaken } = workerData as SupervisorData;
const port = parentPort!;
const supervisor = new Supervisor({
  proc,
  interval,
  first,
  clock: systemClock,
  taken: () => Atomics.load(untaken, 0) === 0,
  tell(notice: Notice) {
    if (notice.tell === 'sample') Atomics.add(untaken, 0, 1);
    port.postMessage(notice);
  },
});
port.on('message', (request: Request) => {
  supervisor.handle(request);
  if (request.ask === 'stop') port.close();
});
supervisor.start();
