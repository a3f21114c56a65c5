/** The kernel's id of this boot. What was written under another one may have been lost in between. */
import { readFileSync } from 'node:fs';

export const readBootID = (file = '/proc/sys/kernel/random/boot_id'): string =>
  readFileSync(file, 'utf8').trim();
