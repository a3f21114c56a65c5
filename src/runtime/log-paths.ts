/** The files of a container's log in its directory: `<id>-json.log`, `.1`, `.2` …, and what conmon writes. */
import { basename, join } from 'node:path';

/** conmon's, in the k8s-file format (log-lines.ts). */
export const shimLogPath = (directory: string): string => join(directory, 'shim.log');

/** Docker's json-file; `age` 0 is written now. */
export const jsonLogPath = (directory: string, age = 0): string =>
  join(directory, `${basename(directory)}-json.log${age === 0 ? '' : `.${age}`}`);

/** How far the one was made into the other (log-conversion.ts). */
export const logPositionPath = (directory: string): string => join(directory, 'log-position.json');
