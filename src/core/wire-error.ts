/**
 * Errors as plain data. An error that crosses a thread by structured clone loses its name, code and fields
 * (piscina #141), so a task returns one of these instead and never throws; a thrown error then means that the worker
 * died.
 */
import { type ErrorCode, GantryError, isGantryError } from './errors.js';

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: GantryError['details'];
  readonly stack?: string;
  readonly cause?: WireError;
}

export function toWire(error: unknown): WireError {
  const known = isGantryError(error);
  const { message, stack, cause } = error instanceof Error ? error : new Error(String(error));
  return {
    code: known ? error.code : 'ERR_INTERNAL',
    message,
    details: known ? error.details : { errno: (error as NodeJS.ErrnoException | undefined)?.code },
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause: toWire(cause) }),
  };
}

export function fromWire(wire: WireError): GantryError {
  const cause = wire.cause && { cause: fromWire(wire.cause) };
  const error = new GantryError(wire.code, wire.message, wire.details, cause ?? {});
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}
