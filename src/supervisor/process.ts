/**
 * A container's first process, by pid and start time, through an open /proc/<pid>/stat: it never tells of another
 * process that got the pid later, so the start time is compared once.
 *
 *   4211 (redis-server) S 4190 4211 …      the name may hold anything; the 20th word behind it is the start time
 */
import { KernelFile } from './kernel-file.js';
import { type KernelText, key } from './kernel-text.js';

const CLOSING_PARENTHESIS = 41;
const WORDS_TO_START_TIME = 19;
/** An ended process stays as one until its parent has asked for its status. */
const ENDED = [key('Z'), key('X')];

export class TrackedProcess {
  readonly #stat: KernelFile;

  private constructor(stat: KernelFile) {
    this.#stat = stat;
  }

  /** Undefined when that process is not there any more. `startTicks`: clock ticks since boot. */
  static open(proc: string, pid: number, startTicks: number, text: KernelText): TrackedProcess | undefined {
    const stat = KernelFile.open(`${proc}/${pid}/stat`);
    if (stat === undefined) return undefined;
    if (stat.read(text) && startTime(text) === startTicks) return new TrackedProcess(stat);
    stat.close();
    return undefined;
  }

  lives(text: KernelText): boolean {
    if (!this.#stat.read(text)) return false;
    state(text);
    return !ENDED.some((ended) => text.is(ended));
  }

  close(): void {
    this.#stat.close();
  }
}

function state(text: KernelText): void {
  if (!text.behindLast(CLOSING_PARENTHESIS) || !text.nextWord()) throw text.malformed('pid (name) state');
}

function startTime(text: KernelText): number {
  state(text);
  for (let word = 1; word < WORDS_TO_START_TIME; word++) text.nextWord();
  return text.nextNumber();
}
