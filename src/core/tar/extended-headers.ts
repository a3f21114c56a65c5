/**
 * What stands before an entry and speaks of it: a PAX header ('x'), GNU's long name ('L') and long link ('K'). Their
 * contents are collected here; a global PAX header ('g') is checked and forgotten, as Go's reader and so docker do.
 */
import { LIMITS } from '../limits.js';
import { invalidTar, parseText, TYPE } from './header.js';
import { type PaxRecords, parsePax } from './pax.js';

type Kind = 'pax' | 'global' | 'longname' | 'longlink';

const KINDS: Readonly<Record<number, Kind>> = {
  [TYPE.pax]: 'pax',
  [TYPE.paxGlobal]: 'global',
  [TYPE.gnuLongName]: 'longname',
  [TYPE.gnuLongLink]: 'longlink',
};

/** The kind of extended header that a type flag announces; undefined for an entry of its own. */
export const extendedKind = (flag: number): Kind | undefined => KINDS[flag];

export class ExtendedHeaders {
  #kind: Kind = 'pax';
  #bytes = Buffer.alloc(0);
  #fill = 0;
  pax: PaxRecords | undefined;
  longName: string | undefined;
  longLink: string | undefined;

  /** True when some were read and their entry has not come. */
  get pending(): boolean {
    return this.pax !== undefined || this.longName !== undefined || this.longLink !== undefined;
  }

  begin(kind: Kind, size: number, offset: number): void {
    if (size > LIMITS.paxBytes) {
      throw invalidTar(`extended header of ${size} bytes (bound ${LIMITS.paxBytes})`, offset);
    }
    this.#kind = kind;
    if (this.#bytes.length < size) this.#bytes = Buffer.alloc(Math.max(4096, size));
    this.#fill = 0;
  }

  add(bytes: Buffer, start: number, end: number): void {
    this.#fill += bytes.copy(this.#bytes, this.#fill, start, end);
  }

  /** Its contents are complete; they end at byte `offset` of the tar. */
  end(offset: number): void {
    const text = this.#bytes.subarray(0, this.#fill);
    if (this.#kind === 'longname') this.longName = parseText(text, 0, text.length);
    else if (this.#kind === 'longlink') this.longLink = parseText(text, 0, text.length);
    else {
      const records = parsePax(text, offset - this.#fill);
      if (this.#kind === 'pax') this.pax = records;
    }
  }

  /** The entry has come. */
  clear(): void {
    this.pax = undefined;
    this.longName = undefined;
    this.longLink = undefined;
  }
}
