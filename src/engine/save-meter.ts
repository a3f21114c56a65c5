/** How far the layers are that a save writes: each is told every 100 ms while it moves, and once when it is written. */
import { shortID } from '../core/digest/digest.js';
import { ProgressWords } from '../core/progress-words.js';

const TICK_MS = 100;

export interface SavedLayer {
  /** The first 12 hex digits of its diffID. */
  readonly id: string;
  /** Of its tar. */
  readonly bytes: number;
  readonly total: number;
  readonly done: boolean;
}

interface Running {
  readonly id: string;
  readonly total: number;
  readonly words: ProgressWords;
}

export class SaveMeter {
  readonly #running = new Set<Running>();
  readonly #timer: NodeJS.Timeout;

  constructor(readonly tell: (layer: SavedLayer) => void) {
    this.#timer = setInterval(() => {
      for (const { id, total, words } of this.#running) {
        const bytes = words.get('bytesIn');
        if (bytes > 0) tell({ id, bytes, total, done: false });
      }
    }, TICK_MS);
  }

  /** Runs `write`, whose task counts in the words that it gets. */
  async measure<T>(diffID: string, total: number, write: (words: ProgressWords) => Promise<T>): Promise<T> {
    const running = { id: shortID(diffID), total, words: new ProgressWords() };
    this.#running.add(running);
    try {
      const written = await write(running.words);
      this.tell({ id: running.id, bytes: total, total, done: true });
      return written;
    } finally {
      this.#running.delete(running);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
