/**
 * The head of an HTTP/1.1 response (RFC 9112 §4, §5), parsed from a buffer that the next read overwrites:
 *
 *   HTTP/1.1 206 Partial Content\r\nContent-Length: 7\r\nContent-Range: bytes 3-9/10\r\n\r\n<body…>
 *
 * Written here because Node's http client allocates a Buffer for each read (DESIGN §4). Invariant: bounded, and
 * anything that two parsers could read in two ways (folded lines, two lengths) is refused.
 */
import { GantryError } from '../core/errors.js';

const MAX_HEAD = 64 * 1024;

export interface Head {
  readonly status: number;
  /** Names in lower case; repeated fields joined with ", ". */
  readonly headers: ReadonlyMap<string, string>;
}

export class HeadReader {
  #text = '';
  #head: Head | undefined;

  /** Set once `push` has returned an index. */
  get head(): Head | undefined {
    return this.#head;
  }

  /**
   * Takes bytes[start, end). Returns where the body starts, or -1 while the head is incomplete. Interim responses
   * (1xx) are skipped. Throws ERR_REGISTRY on what is not an HTTP/1.x response.
   */
  push(bytes: Uint8Array, start: number, end: number): number {
    let known = this.#text.length;
    const taken = Math.min(end, start + MAX_HEAD + 4 - known);
    this.#text += Buffer.from(bytes.buffer, bytes.byteOffset + start, taken - start).toString('latin1');
    for (;;) {
      const stop = this.#text.indexOf('\r\n\r\n');
      if (stop < 0) {
        if (this.#text.length > MAX_HEAD) throw malformed(`its head is longer than ${MAX_HEAD} bytes`);
        return -1;
      }
      const head = parseHead(this.#text.slice(0, stop));
      if (head.status >= 200) {
        this.#head = head;
        return start + stop + 4 - known;
      }
      this.#text = this.#text.slice(stop + 4);
      known -= stop + 4;
    }
  }
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(first)?.[1];
  if (status === undefined) throw malformed(`it starts with ${JSON.stringify(first.slice(0, 40))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (field === null) throw malformed(`header line ${JSON.stringify(line.slice(0, 40))}`);
    const name = field[1]!.toLowerCase();
    const value = field[2]!;
    const before = headers.get(name);
    if (name === 'content-length' && before !== undefined && before !== value) {
      throw malformed(`two lengths, ${before} and ${value}`);
    }
    headers.set(name, before === undefined || before === value ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers };
}

/** Content-Length in bytes; undefined when there is none or when a transfer coding overrides it (RFC 9112 §6.3). */
export function contentLength(head: Head): number | undefined {
  const text = head.headers.get('content-length');
  if (text === undefined || head.headers.has('transfer-encoding')) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw malformed(`Content-Length ${text}`);
  return value;
}

export const malformed = (what: string): GantryError =>
  new GantryError('ERR_REGISTRY', `expected an HTTP/1.1 response, but ${what}`);
