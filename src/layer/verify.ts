/** The comparison that nothing is published without. */
import { GantryError } from '../core/errors.js';

/** ERR_DIGEST_MISMATCH unless both are the same. */
export function verify(what: string, expected: string, found: string): void {
  if (expected === found) return;
  throw new GantryError('ERR_DIGEST_MISMATCH', `layer: ${what}: expected ${expected}, found ${found}`, {
    expected,
    found,
    hint: 'the registry or a proxy in between serves damaged bytes; pull again, or from another mirror',
  });
}
