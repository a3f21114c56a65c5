/** sched_setscheduler(2) for the calling thread: before all others, and back. */
import { bind } from './libc.js';

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const RESET_ON_FORK = 0x40000000;

const setScheduler = bind<(thread: number, policy: number, parameters: Uint8Array) => number>(
  'int sched_setscheduler(int, int, const void*)',
);

/**
 * The calling thread runs as soon as it has something to do, before all that is not real-time: for one that sleeps most
 * of the time and must note when it was woken. False where the system does not allow it.
 */
export const preemptOthers = (): boolean =>
  setScheduler(0, SCHED_FIFO | RESET_ON_FORK, Buffer.from([1, 0, 0, 0])) === 0;

/** The calling thread takes its turn again, as any other. */
export const takeTurns = (): boolean => setScheduler(0, SCHED_OTHER, Buffer.alloc(4)) === 0;
