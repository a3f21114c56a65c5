/**
 * Block I/O of a cgroup v2: io.stat, a line a device. A device without I/O may stand alone on its line.
 *
 *   8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0
 */
import { join } from 'node:path';
import { KernelFile } from '../kernel-file.js';
import { key } from '../kernel-text.js';
import type { IoUse } from '../sample.js';
import type { Reader } from './reader.js';

const READ = key('rbytes=');
const WRITTEN = key('wbytes=');

/** Undefined when the controller is not there. */
export function ioV2(directory: string): Reader<IoUse> | undefined {
  const file = KernelFile.open(join(directory, 'io.stat'));
  if (file === undefined) return undefined;
  return {
    read(text) {
      if (!file.read(text)) return undefined;
      let read = 0;
      let written = 0;
      while (text.nextLine()) {
        while (text.nextWord()) {
          if (text.startsWith(READ)) read += text.number(READ.length);
          else if (text.startsWith(WRITTEN)) written += text.number(WRITTEN.length);
        }
      }
      return { read, written };
    },
    close: () => file.close(),
  };
}
