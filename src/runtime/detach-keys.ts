/** `--detach-keys ctrl-p,ctrl-q`: the keys that end an attachment and leave the container running. */
import { invalid } from './flags/invalid.js';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** The bytes that a terminal sends for them. Throws ERR_INVALID_ARGUMENT. */
export function parseDetachKeys(text: string): Buffer {
  const codes = text.split(',').map((key) => {
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    const letter = /^ctrl-([a-z@[\\\]^_])$/.exec(key.toLowerCase())?.[1];
    if (letter === undefined)
      throw invalid(`Unknown character: '${key}': expected a letter or ctrl- and one of a-z@[\\]^_`);
    return letter.toUpperCase().charCodeAt(0) & 0x1f;
  });
  return Buffer.from(codes);
}

export interface Typed {
  /** What goes to the container: all that is not the sequence, or its beginning. */
  readonly bytes: Buffer;
  readonly detach: boolean;
}

/** Looks at what is typed, piece after piece. A sequence that was begun is held back until it is clear that it is none. */
export function detachScanner(keys: Uint8Array): (piece: Uint8Array) => Typed {
  let matched = 0;
  return (piece) => {
    const bytes: number[] = [];
    for (const byte of piece) {
      if (byte === keys[matched]) {
        if (++matched === keys.length) return { bytes: Buffer.from(bytes), detach: true };
        continue;
      }
      bytes.push(...keys.subarray(0, matched));
      matched = byte === keys[0] ? 1 : 0;
      if (matched === 0) bytes.push(byte);
    }
    return { bytes: Buffer.from(bytes), detach: false };
  };
}
