/** Two tasks of one layer, with a ring between them: what becomes of one when the other fails. */
import { isGantryError } from '../core/errors.js';
import { type SharedRing, SlotRing } from '../core/slot-ring.js';

/** Without success of one half the other would wait for ever. Done here, because a thread that died tells nobody. */
export async function endingOther<Value>(ring: SharedRing, half: Promise<Value>): Promise<Value> {
  const end = (): void => new SlotRing(ring, () => false).fail();
  try {
    const value = await half;
    if (value === 'restart') end();
    return value;
  } catch (error) {
    end();
    throw error;
  }
}

/** Each ends the other with ERR_CANCELED: what came first is the error that is not that one. */
export function firstError(halves: readonly PromiseSettledResult<unknown>[]): unknown {
  const errors = halves.flatMap((half) => (half.status === 'rejected' ? [half.reason] : []));
  return errors.find((error) => !isGantryError(error, 'ERR_CANCELED')) ?? errors[0];
}
