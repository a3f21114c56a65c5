/** What processes are called: the 15 bytes of /proc/<pid>/comm. Copies come in rows from one process, so it is asked rarely. */
import { readFileSync } from 'node:fs';

/** A process may become another program, and its pid another process, but hardly in so short a time. */
const FRESH_MS = 50;

export class CommandNames {
  #pid = 0;
  #until = 0;
  #found: { readonly command?: string } = {};

  /** Empty for a process that is gone. */
  of(pid: number): { readonly command?: string } {
    const now = performance.now();
    if (pid === this.#pid && now < this.#until) return this.#found;
    this.#found = read(pid);
    this.#pid = pid;
    this.#until = now + FRESH_MS;
    return this.#found;
  }
}

function read(pid: number): { command?: string } {
  try {
    return { command: readFileSync(`/proc/${pid}/comm`, 'utf8').replace(/\n$/, '') };
  } catch {
    return {};
  }
}
