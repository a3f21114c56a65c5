/**
 * The whole host, for docker's denominators: /proc/stat, in ticks of 10 ms since boot (user nice system idle iowait
 * irq softirq, then steal and guests, which docker leaves out), and MemTotal of /proc/meminfo.
 *
 *   cpu  223114 39424 38962 428376 4517 0 2912 478 0 0\ncpu0 …\ncpu1 …\nintr …
 */
import { GantryError } from '../core/errors.js';
import { Fields } from './fields.js';
import { KernelFile } from './kernel-file.js';
import { type KernelText, key } from './kernel-text.js';
import type { SystemUse } from './sample.js';

const CPU = key('cpu');
const COUNTED_FIELDS = 7;
const NANOSECONDS_PER_TICK = 1e7;
const KIB = 1024;

function required(path: string): KernelFile {
  const file = KernelFile.open(path);
  if (file === undefined) throw new GantryError('ERR_UNSUPPORTED', `${path}: expected it, found nothing`);
  return file;
}

export class System {
  readonly #stat: KernelFile;

  constructor(proc: string) {
    this.#stat = required(`${proc}/stat`);
  }

  read(text: KernelText): SystemUse {
    this.#stat.read(text);
    let ticks = 0;
    let cpus = 0;
    while (text.nextLine() && text.nextWord() && text.startsWith(CPU)) {
      if (!text.is(CPU)) cpus++;
      else for (let field = 0; field < COUNTED_FIELDS; field++) ticks += text.nextNumber();
    }
    if (cpus === 0) throw text.malformed('lines cpu and cpu0');
    return { usage: ticks * NANOSECONDS_PER_TICK, cpus };
  }

  close(): void {
    this.#stat.close();
  }
}

/** Bytes of memory that the host has. */
export function totalMemory(proc: string, text: KernelText): number {
  const file = required(`${proc}/meminfo`);
  const fields = new Fields('MemTotal:');
  file.read(text);
  file.close();
  fields.read(text);
  return fields.required('MemTotal:', text) * KIB;
}
