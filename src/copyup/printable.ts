/**
 * A name that a container chose, as text that is safe to print and to tell apart: what is not UTF-8 shows as \xNN,
 * control characters as \n, \t or \xNN, and what turns or hides text (bidirectional controls, zero width, line and
 * paragraph separators) as \u{…}. A backslash is doubled, so that two names never look the same.
 *
 *   "a\nb" → a\nb      "\x1b[2J" → \x1b[2J      "\u202egpj.exe" → \u{202e}gpj.exe
 */

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };
/** Controls, format characters, separators but the space, and half of a surrogate pair. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\\]/gu;

export const printable = (text: string): string =>
  text.replace(HIDDEN, (char) => {
    const short = SHORT[char];
    if (short !== undefined) return short;
    const code = char.codePointAt(0)!;
    return code < 0x80 ? `\\x${hex(code)}` : `\\u{${hex(code)}}`;
  });

interface Named {
  readonly path: string;
  readonly pathBase64?: string;
}

/** The path of a file in a profile, from its true bytes. */
export function printablePath({ path, pathBase64 }: Named): string {
  if (pathBase64 === undefined) return printable(path);
  const bytes = Buffer.from(pathBase64, 'base64');
  let shown = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    shown += length === 0 ? `\\x${hex(bytes[at]!)}` : printable(bytes.toString('utf8', at, at + length));
    at += Math.max(length, 1);
  }
  return shown;
}

/** Bytes of the UTF-8 character at `at`; 0 where there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  // A wrong sequence decodes to U+FFFD, which takes other bytes than it came from.
  const slice = bytes.subarray(at, at + length);
  return Buffer.from(slice.toString('utf8')).equals(slice) ? length : 0;
}

const hex = (code: number): string => code.toString(16).padStart(2, '0');
