/**
 * The few words of shared memory that join a pool task with its coordinator (DESIGN §4): the coordinator sets
 * `cancel`, the task counts; nobody waits. 64-bit counters because layers pass 2 GiB.
 *
 *   word  0 cancel │ 1 phase │ 2 bytes in (from the source) │ 3 bytes out (tar) │ 4 retries
 */
export const PHASES = ['queued', 'connecting', 'downloading', 'verifying', 'extracting'] as const;
export type Phase = (typeof PHASES)[number];

const WORD = { cancel: 0, phase: 1, bytesIn: 2, bytesOut: 3, retries: 4 } as const;
export type Counter = Exclude<keyof typeof WORD, 'cancel' | 'phase'>;

export class ProgressWords {
  readonly #words: BigInt64Array;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(8 * 5)) {
    this.#words = new BigInt64Array(shared);
  }

  get canceled(): boolean {
    return Atomics.load(this.#words, WORD.cancel) !== 0n;
  }

  cancel(): void {
    Atomics.store(this.#words, WORD.cancel, 1n);
  }

  get phase(): Phase {
    return PHASES[Number(Atomics.load(this.#words, WORD.phase))] ?? 'queued';
  }

  set phase(phase: Phase) {
    Atomics.store(this.#words, WORD.phase, BigInt(PHASES.indexOf(phase)));
  }

  get(counter: Counter): number {
    return Number(Atomics.load(this.#words, WORD[counter]));
  }

  set(counter: Counter, value: number): void {
    Atomics.store(this.#words, WORD[counter], BigInt(value));
  }
}
