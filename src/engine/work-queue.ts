/**
 * Which job goes next: at most `width` threads' worth run, the biggest waiting one first, so that no giant is left to
 * run alone at the end. The pool's own queue is first come, first served and has no bound, so it is never given more than it has
 * threads. Jobs start in a later turn of the event loop: those that come together compete.
 */
interface Waiting {
  readonly weight: number;
  readonly cost: number;
  readonly start: () => void;
}

export class WorkQueue {
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #scheduled = false;

  constructor(readonly width: number) {}

  /** Runs `job`, which keeps `cost` threads busy (at most `width`), when its turn comes. */
  async run<T>(weight: number, cost: number, job: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ weight, cost, start });
      this.#schedule();
    });
    try {
      return await job();
    } finally {
      this.#running -= cost;
      this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#waiting.sort((a, b) => b.weight - a.weight);
      for (
        let next = this.#waiting[0];
        next && this.#running + next.cost <= this.width;
        next = this.#waiting[0]
      ) {
        this.#waiting.shift();
        this.#running += next.cost;
        next.start();
      }
    });
  }
}
