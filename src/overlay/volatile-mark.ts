/**
 * Write layers that were mounted without syncing. The kernel leaves a mark in the work directory and refuses to mount
 * again until somebody takes it away, which is safe in the same boot: no write was lost. After a crash it is not.
 *
 *   <id>/work/work/incompat/volatile/     the kernel's mark (Documentation/filesystems/overlayfs.rst, "Volatile mount")
 *   <id>/volatile-boot                    ours: the boot id of that mount
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';

/** Before a volatile mount of the write layer in `directory`. */
export function markVolatile(directory: string, bootID: string): void {
  writeFileSync(join(directory, 'volatile-boot'), bootID, { mode: 0o600 });
}

/** Before any mount: ends a volatile one of this boot. ERR_STORE_CORRUPT after one of another boot. */
export function forgetVolatile(directory: string, bootID: string): void {
  const mark = join(directory, 'work', 'work', 'incompat', 'volatile');
  if (!existsSync(mark)) return;
  let boot: string | undefined;
  try {
    boot = readFileSync(join(directory, 'volatile-boot'), 'utf8');
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
  if (boot !== bootID) {
    throw new GantryError(
      'ERR_STORE_CORRUPT',
      `${directory} was mounted volatile when the machine went down: its files may be damaged`,
      { file: mark, hint: 'remove the container and run it again (gantry rm)' },
    );
  }
  rmSync(mark, { recursive: true });
  rmSync(join(directory, 'volatile-boot'));
}
