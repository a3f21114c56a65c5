/** The envelope of a pool task: a result or an error as data. */
import { toWire, type WireError } from '../src/core/wire-error.js';

export type Reply<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WireError };

/** Makes a task out of a function: the same input, its result or error in an envelope. */
export function task<In, Out>(run: (input: In) => Promise<Out>): (input: In) => Promise<Reply<Out>> {
  return async (input) => {
    try {
      return { ok: true, value: await run(input) };
    } catch (error) {
      return { ok: false, error: toWire(error) };
    }
  };
}
