/**
 * libc through koffi: the calls that Node lacks, with no compiler. A bound call costs 0.1 to 0.2 µs plus the syscall.
 *
 * Raw functions return what libc returns (-1 and errno); `check` turns that into a GantryError that names the call
 * and its object. Paths are NUL-terminated bytes (`cstring`), because a file name is bytes, not UTF-8.
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import { GantryError } from '../errors.js';

const library = koffi.load('libc.so.6');

/** Binds one C prototype, for instance `int dup(int)`. The caller states the type; koffi checks arity at run time. */
export function bind<F extends (...args: never[]) => unknown>(prototype: string): F {
  return library.func(prototype) as unknown as F;
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** errno of the last bound call on this thread. */
export const errno = (): number => koffi.errno();
export const errnoName = (value: number): string => errnoNames.get(value) ?? `errno ${value}`;
export const E = constants.errno;

/** ERR_SYSCALL (ERR_NO_SPACE for ENOSPC and EDQUOT) from an errno, with `details.errno` as its name. */
export function syscallError(call: string, object: string, value: number = errno()): GantryError {
  const name = errnoName(value);
  const full = name === 'ENOSPC' || name === 'EDQUOT';
  return new GantryError(full ? 'ERR_NO_SPACE' : 'ERR_SYSCALL', `${call} ${object}: ${name}`, {
    errno: name,
    call,
    object,
    ...(full ? { hint: 'free disk space or inodes (gantry system prune), or choose another --root' } : {}),
  });
}

/** Passes a result that is not negative; throws `syscallError` otherwise. */
export function check(result: number, call: string, object: string): number {
  if (result < 0) throw syscallError(call, object);
  return result;
}

/** A NUL-terminated copy. A name with a NUL inside would be cut by the kernel, so it is refused. */
export function cstring(text: string | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  if (bytes.includes(0)) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `a path may not contain a NUL byte: ${JSON.stringify(Buffer.from(bytes).toString())}`,
    );
  }
  const out = Buffer.allocUnsafeSlow(bytes.length + 1);
  out.set(bytes);
  out[bytes.length] = 0;
  return out;
}
