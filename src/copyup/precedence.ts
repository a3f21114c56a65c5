/**
 * Real-time while the tracer thread sleeps most of the time, and only then: a container that makes events without end must
 * not get a processor taken from all others.
 */
import { preemptOthers, takeTurns } from '../core/fsops/preempt.js';

const WINDOW_MS = 100;
const MIN_SLEPT = 0.5;

export class Precedence {
  #since = performance.now();
  #sleptMs = 0;
  #held = preemptOthers(); // where it is refused, times are less exact on a busy machine

  /** To be told often; `sleptMs` is what the thread slept, in all. */
  judge(sleptMs: number): void {
    const now = performance.now();
    if (now - this.#since < WINDOW_MS) return;
    const rests = sleptMs - this.#sleptMs >= MIN_SLEPT * (now - this.#since);
    if (rests && !this.#held) this.#held = preemptOthers();
    if (!rests) this.end();
    this.#since = now;
    this.#sleptMs = sleptMs;
  }

  end(): void {
    if (this.#held) this.#held = !takeTurns();
  }
}
