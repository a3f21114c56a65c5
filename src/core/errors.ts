/**
 * The one error class of gantry. Callers branch on `code`, never on text. A message is lower case, without a full
 * stop, and tells what was expected and what was found; `hint` names the command that would mend it.
 */

export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_INVALID_REFERENCE'
  | 'ERR_INVALID_DIGEST'
  | 'ERR_NOT_FOUND'
  | 'ERR_AMBIGUOUS'
  | 'ERR_CONFLICT'
  | 'ERR_UNSUPPORTED'
  | 'ERR_UNAUTHORIZED'
  | 'ERR_DENIED'
  | 'ERR_REGISTRY'
  | 'ERR_NETWORK'
  | 'ERR_TIMEOUT'
  | 'ERR_RATE_LIMITED'
  | 'ERR_MANIFEST_INVALID'
  | 'ERR_MANIFEST_CONFUSION'
  | 'ERR_NO_PLATFORM'
  | 'ERR_DIGEST_MISMATCH'
  | 'ERR_SIZE_MISMATCH'
  | 'ERR_LAYER_INVALID'
  | 'ERR_LAYER_HOSTILE'
  | 'ERR_LAYER_TOO_LARGE'
  | 'ERR_STORE_CORRUPT'
  | 'ERR_STORE_VERSION'
  | 'ERR_NO_SPACE'
  | 'ERR_SYSCALL'
  | 'ERR_CANCELED'
  | 'ERR_WORKER_DIED'
  | 'ERR_RUNTIME'
  | 'ERR_RUNTIME_MISSING'
  | 'ERR_COMMAND_NOT_FOUND'
  | 'ERR_COMMAND_NOT_EXECUTABLE'
  | 'ERR_IN_USE'
  | 'ERR_INTERNAL';

export interface ErrorDetails {
  readonly hint?: string;
  readonly [field: string]: unknown;
}

export class GantryError extends Error {
  override readonly name = 'GantryError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** True when `error` is a GantryError, of one of `codes` where any are given. */
export function isGantryError(error: unknown, ...codes: ErrorCode[]): error is GantryError {
  return error instanceof GantryError && (codes.length === 0 || codes.includes(error.code));
}

/** The `code` of a Node system error (ENOENT…) or of a GantryError's `details.errno`; undefined for others. */
export function errnoCode(error: unknown): string | undefined {
  if (error instanceof GantryError) {
    return typeof error.details.errno === 'string' ? error.details.errno : errnoCode(error.cause);
  }
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** For the `default` of a switch over a closed union: a compile error when a case is missing. */
export function unreachable(value: never): never {
  throw new GantryError('ERR_INTERNAL', `unexpected value ${JSON.stringify(value)}`);
}
