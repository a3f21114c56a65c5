/**
 * The text of a kernel file in one buffer that all files share, and a cursor over its lines and words. Nothing is
 * allocated while reading: a tick over 100 containers reads more than a thousand files.
 *
 *   usage_usec 2500000\nuser_usec 2000000\n        nextLine, nextWord, is(key), nextWord, number
 */
import { GantryError } from '../core/errors.js';

/** What the kernel writes as `max`. */
export const UNLIMITED = Number.POSITIVE_INFINITY;

/** The bytes of a name, to compare words with. */
export const key = (name: string): Uint8Array => Buffer.from(name);

const MAX = key('max');
const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const NINE = 57;
/** Every file of a container fits (memory.stat: 2 KB); /proc/stat of a host with hundreds of CPUs makes it grow. */
const SIZE = 64 * 1024;

export class KernelText {
  bytes = Buffer.allocUnsafeSlow(SIZE);
  length = 0;
  /** Of the file, for errors. */
  path = '';
  #next = 0;
  #lineEnd = 0;
  #wordStart = 0;
  #wordEnd = 0;

  /** Before the first line. */
  rewind(): void {
    this.#next = 0;
    this.#lineEnd = 0;
    this.#wordStart = 0;
    this.#wordEnd = 0;
  }

  grow(): void {
    const larger = Buffer.allocUnsafeSlow(this.bytes.length * 2);
    this.bytes.copy(larger);
    this.bytes = larger;
  }

  /** Goes to the beginning of the next line; false when there is none. */
  nextLine(): boolean {
    if (this.#next >= this.length) return false;
    this.#wordStart = this.#next;
    this.#wordEnd = this.#next;
    let at = this.#next;
    while (at < this.length && this.bytes[at] !== NEWLINE) at++;
    this.#lineEnd = at;
    this.#next = at + 1;
    return true;
  }

  /** Goes behind the last such byte; the words that follow are those of one line. False when there is none. */
  behindLast(byte: number): boolean {
    const at = this.bytes.subarray(0, this.length).lastIndexOf(byte);
    if (at === -1) return false;
    this.#wordEnd = at + 1;
    this.#lineEnd = this.length;
    this.#next = this.length;
    return true;
  }

  /** Goes to the next word of the line; false when there is none. */
  nextWord(): boolean {
    let at = this.#wordEnd;
    while (at < this.#lineEnd && this.bytes[at]! <= SPACE) at++;
    this.#wordStart = at;
    while (at < this.#lineEnd && this.bytes[at]! > SPACE) at++;
    this.#wordEnd = at;
    return at > this.#wordStart;
  }

  /** Whether the word is `name`. */
  is(name: Uint8Array): boolean {
    return this.#wordEnd - this.#wordStart === name.length && this.startsWith(name);
  }

  startsWith(name: Uint8Array): boolean {
    if (this.#wordEnd - this.#wordStart < name.length) return false;
    for (let at = 0; at < name.length; at++) {
      if (this.bytes[this.#wordStart + at] !== name[at]) return false;
    }
    return true;
  }

  /** The word's first byte; 0 without a word. */
  firstByte(): number {
    return this.#wordEnd > this.#wordStart ? this.bytes[this.#wordStart]! : 0;
  }

  /** The word, from its byte `from` on, as a number, or UNLIMITED. Above 2^53 to the nearest that a double holds. */
  number(from = 0): number {
    if (from === 0 && this.is(MAX)) return UNLIMITED;
    const start = this.#wordStart + from;
    let value = 0;
    for (let at = start; at < this.#wordEnd; at++) {
      const byte = this.bytes[at]!;
      if (byte < ZERO || byte > NINE) throw this.malformed('a number');
      value = value * 10 + (byte - ZERO);
    }
    if (start >= this.#wordEnd) throw this.malformed('a number');
    return value;
  }

  /** The next word as a number. */
  nextNumber(): number {
    this.nextWord();
    return this.number();
  }

  /** The whole file, which is one number. */
  onlyNumber(): number {
    this.rewind();
    if (!this.nextLine()) throw this.malformed('a number');
    return this.nextNumber();
  }

  /** An error that tells the file, what should be at the cursor, and the line that is. */
  malformed(expected: string): GantryError {
    const lineStart = this.bytes.subarray(0, this.#wordStart).lastIndexOf(NEWLINE) + 1;
    const line = this.bytes.subarray(lineStart, Math.max(lineStart, this.#lineEnd)).toString('utf8', 0, 80);
    return new GantryError(
      'ERR_UNSUPPORTED',
      `${this.path}: expected ${expected}, found ${JSON.stringify(line)}`,
      {
        file: this.path,
      },
    );
  }
}
