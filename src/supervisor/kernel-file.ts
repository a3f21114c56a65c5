/**
 * A file of /proc or of a cgroup, kept open and read again from its beginning: the kernel writes its text anew each
 * time. An open file means the process or cgroup that it was opened for, also when another has taken the name since.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { errnoCode, GantryError } from '../core/errors.js';
import type { KernelText } from './kernel-text.js';

/** ENODEV: a removed cgroup; ESRCH, ENXIO: an ended process, its network namespace. */
const GONE = ['ENOENT', 'ENODEV', 'ESRCH', 'ENXIO'];

/**
 * The kernel hands out whole records, as many as fit in a page (a line of /proc/<pid>/net/dev is one; most files are
 * one, and come at once). Less than half a page is thus the end, and asking again to be told so would double the calls.
 */
const LAST_CHUNK = 2048;

const gone = (error: unknown): boolean => GONE.includes(errnoCode(error) ?? '');

const failed = (path: string, cause: unknown): GantryError =>
  new GantryError('ERR_SYSCALL', `${path}: ${(cause as Error).message}`, { file: path }, { cause });

export class KernelFile {
  readonly #fd: number;
  readonly #path: string;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /** Undefined when there is no such file. ERR_SYSCALL when it may not be read. */
  static open(path: string): KernelFile | undefined {
    try {
      return new KernelFile(path, openSync(path, 'r'));
    } catch (error) {
      if (gone(error)) return undefined;
      throw failed(path, error);
    }
  }

  /** Fills `text`; false when what the file told of is gone. */
  read(text: KernelText): boolean {
    text.path = this.#path;
    text.length = 0;
    try {
      for (;;) {
        const free = text.bytes.length - text.length;
        const count = readSync(this.#fd, text.bytes, text.length, free, text.length);
        text.length += count;
        if (count === free) text.grow();
        else if (count < LAST_CHUNK) break;
      }
    } catch (error) {
      if (gone(error)) return false;
      throw failed(this.#path, error);
    }
    text.rewind();
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
