/** ERR_INVALID_ARGUMENT with Docker's words: scripts and people know them, so they are kept as they are. */
import { GantryError } from '../../core/errors.js';

export const invalid = (message: string, hint?: string): GantryError =>
  new GantryError('ERR_INVALID_ARGUMENT', message, hint === undefined ? {} : { hint });

/** The message that Docker's CLI gives when one flag's value cannot be read. */
export const invalidFlag = (value: string, flag: string, why: string): GantryError =>
  invalid(`invalid argument ${JSON.stringify(value)} for ${JSON.stringify(flag)} flag: ${why}`);
