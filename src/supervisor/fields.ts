/**
 * Named numbers out of a file of lines `<name> <number>` (cpu.stat, memory.stat, memory.events). Other lines are
 * passed over: kernels add some.
 */
import { type KernelText, key } from './kernel-text.js';

export class Fields<Name extends string> {
  readonly #names: readonly Name[];
  readonly #keys: readonly Uint8Array[];
  readonly #values: Float64Array;

  constructor(...names: Name[]) {
    this.#names = names;
    this.#keys = names.map(key);
    this.#values = new Float64Array(names.length);
  }

  /** ERR_UNSUPPORTED for a wanted line whose value is no number. */
  read(text: KernelText): void {
    this.#values.fill(Number.NaN);
    let missing = this.#keys.length;
    while (missing > 0 && text.nextLine()) {
      if (!text.nextWord()) continue;
      for (let at = 0; at < this.#keys.length; at++) {
        if (!text.is(this.#keys[at]!)) continue;
        this.#values[at] = text.nextNumber();
        missing--;
        break;
      }
    }
  }

  /** ERR_UNSUPPORTED when the file had no such line. */
  required(name: Name, text: KernelText): number {
    const value = this.optional(name);
    if (value === undefined) throw text.malformed(`a line ${JSON.stringify(name)}`);
    return value;
  }

  optional(name: Name): number | undefined {
    const value = this.#values[this.#names.indexOf(name)]!;
    return Number.isNaN(value) ? undefined : value;
  }
}
