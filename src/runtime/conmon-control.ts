/** conmon's FIFO for orders, `<bundle>/ctl`, a line each: `1 <rows> <columns>` and `2 0 0`. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Tells conmon the window's size. Nothing happens when it is gone. */
export function resizeTerminal(
  bundle: string,
  size: { readonly rows: number; readonly columns: number },
): void {
  tellConmon(bundle, `1 ${size.rows} ${size.columns}\n`);
}

/** Has conmon begin a new log file. */
export const reopenLog = (bundle: string): void => tellConmon(bundle, '2 0 0\n');

function tellConmon(bundle: string, order: string): void {
  try {
    const fd = openSync(join(bundle, 'ctl'), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(fd, order);
    } finally {
      closeSync(fd);
    }
  } catch {
    // ENXIO, ENOENT: conmon is gone
  }
}
