/** `--cidfile`: the id of a container, without a newline, in a file that was not there before. */
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { errnoCode } from '../core/errors.js';
import type { ContainerID } from '../core/ids.js';
import { invalid } from '../runtime/flags/invalid.js';

export interface IDFile {
  write(id: ContainerID): void;
  /** Takes it away again: no container was made. */
  abandon(): void;
}

/** Makes the empty file. ERR_INVALID_ARGUMENT in Docker's words when it is there or cannot be made. Undefined asks for none. */
export function reserveIDFile(path: string | undefined): IDFile {
  if (path === undefined || path === '') return { write: () => {}, abandon: () => {} };
  try {
    closeSync(openSync(path, 'wx', 0o644));
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') {
      throw invalid(`container ID file found, make sure the other container isn't running or delete ${path}`);
    }
    throw invalid(`failed to create the container ID file: ${(error as Error).message}`);
  }
  return { write: (id) => writeFileSync(path, id), abandon: () => rmSync(path, { force: true }) };
}
