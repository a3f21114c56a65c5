/**
 * A ring of byte slots in shared memory between one producing and one consuming thread: the one place where layer
 * bytes cross threads (DESIGN §1.3). A large layer that would run alone on one core is inflated by one thread and
 * written by another.
 *
 *   control  0 produced │ 1 consumed │ 2 state │ 3… length of each slot
 *   slots    8 × 256 KiB, which stay in the second-level cache
 *
 * Both sides are synchronous and block in Atomics.wait, which worker threads may; the producer's socket fills
 * meanwhile, and TCP is the back-pressure. After `fail` both sides throw ERR_CANCELED.
 */

import type { OutputTarget } from './compress/inflater.js';
import { GantryError } from './errors.js';

const SLOTS = 8;
const SLOT_BYTES = 256 * 1024;
const WORD = { produced: 0, consumed: 1, state: 2, lengths: 3 } as const;
const STATE = { open: 0, finished: 1, failed: 2 } as const;
/** Bounds how late a cancel is seen. */
const WAIT_MS = 100;

export interface SharedRing {
  readonly control: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

export const newSharedRing = (): SharedRing => ({
  control: new SharedArrayBuffer(4 * (WORD.lengths + SLOTS)),
  slots: new SharedArrayBuffer(SLOTS * SLOT_BYTES),
});

export class SlotRing implements OutputTarget {
  readonly #control: Int32Array;
  readonly #slots: Buffer[];
  readonly #canceled: () => boolean;

  constructor(shared: SharedRing, canceled: () => boolean) {
    this.#control = new Int32Array(shared.control);
    this.#slots = Array.from({ length: SLOTS }, (_, index) =>
      Buffer.from(shared.slots as unknown as ArrayBuffer, index * SLOT_BYTES, SLOT_BYTES),
    );
    this.#canceled = canceled;
  }

  /** Producer: the slot to fill next, when the consumer is done with it. */
  acquire(): Buffer {
    const produced = Atomics.load(this.#control, WORD.produced);
    for (;;) {
      const consumed = Atomics.load(this.#control, WORD.consumed);
      this.#checkState();
      if (produced - consumed < SLOTS) return this.#slots[produced % SLOTS] as Buffer;
      Atomics.wait(this.#control, WORD.consumed, consumed, WAIT_MS);
    }
  }

  /** Producer: hands the slot over. */
  commit(length: number): void {
    const produced = Atomics.load(this.#control, WORD.produced);
    Atomics.store(this.#control, WORD.lengths + (produced % SLOTS), length);
    Atomics.store(this.#control, WORD.produced, produced + 1);
    Atomics.notify(this.#control, WORD.produced);
  }

  /** Producer: no more will come. */
  finish(): void {
    Atomics.compareExchange(this.#control, WORD.state, STATE.open, STATE.finished);
    Atomics.notify(this.#control, WORD.produced);
  }

  /** Anybody: it is over, nobody need go on. */
  fail(): void {
    Atomics.store(this.#control, WORD.state, STATE.failed);
    Atomics.notify(this.#control, WORD.produced);
    Atomics.notify(this.#control, WORD.consumed);
  }

  /** Consumer: gives every slot to `take` in order, until the producer has finished. */
  drain(take: (bytes: Buffer, length: number) => void): void {
    for (let consumed = 0; ; consumed++) {
      const slot = consumed % SLOTS;
      while (Atomics.load(this.#control, WORD.produced) === consumed) {
        // The last slots may come between the two looks, so the end counts only when nothing is left.
        const finished = Atomics.load(this.#control, WORD.state) === STATE.finished;
        if (finished && Atomics.load(this.#control, WORD.produced) === consumed) return;
        this.#checkState();
        if (!finished) Atomics.wait(this.#control, WORD.produced, consumed, WAIT_MS);
      }
      take(this.#slots[slot] as Buffer, Atomics.load(this.#control, WORD.lengths + slot));
      Atomics.store(this.#control, WORD.consumed, consumed + 1);
      Atomics.notify(this.#control, WORD.consumed);
    }
  }

  #checkState(): void {
    if (Atomics.load(this.#control, WORD.state) === STATE.failed) {
      throw new GantryError('ERR_CANCELED', 'the other half of the layer failed');
    }
    if (this.#canceled()) throw new GantryError('ERR_CANCELED', 'canceled');
  }
}
