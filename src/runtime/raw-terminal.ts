/**
 * The caller's terminal while it shows a container's: wholly raw, because the container's own line discipline does the
 * echo, the signals and the newlines. Node's setRawMode keeps ONLCR on, which bends the bare line feeds of full-screen
 * programs.
 */
import { bind, check } from '../core/fsops/libc.js';

const TCSADRAIN = 1;
/** More than `struct termios` of any libc (60 bytes on Linux). */
const TERMIOS_BYTES = 128;

const libc = {
  get: bind<(fd: number, termios: Uint8Array) => number>('int tcgetattr(int, void*)'),
  set: bind<(fd: number, when: number, termios: Uint8Array) => number>(
    'int tcsetattr(int, int, const void*)',
  ),
  makeRaw: bind<(termios: Uint8Array) => void>('void cfmakeraw(void*)'),
};

/** Makes it raw. Gives the way back, which is also taken when the process exits. */
export function rawTerminal(fd: number): () => void {
  const before = Buffer.alloc(TERMIOS_BYTES);
  check(libc.get(fd, before), 'tcgetattr', 'the terminal');
  const raw = Buffer.from(before);
  libc.makeRaw(raw);
  check(libc.set(fd, TCSADRAIN, raw), 'tcsetattr', 'the terminal');
  const restore = (): void => {
    process.off('exit', restore);
    libc.set(fd, TCSADRAIN, before);
  };
  process.on('exit', restore);
  return restore;
}
