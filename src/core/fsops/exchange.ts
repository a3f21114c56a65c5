/** renameat2(2) with RENAME_EXCHANGE: two names of one file system change places in one step. */
import { AT_FDCWD } from './at.js';
import { bind, check, cstring } from './libc.js';

const RENAME_EXCHANGE = 2;

const renameat2 = bind<
  (fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array, flags: number) => number
>('int renameat2(int, const void*, int, const void*, uint32_t)');

export function exchange(one: string, other: string): void {
  check(renameat2(AT_FDCWD, cstring(one), AT_FDCWD, cstring(other), RENAME_EXCHANGE), 'renameat2', other);
}
