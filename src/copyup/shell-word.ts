/** A name as one word of a shell command: `/var/lib/db`, `'/srv/my files'`, `$'/srv/a\nb'`, `$'/srv/\xff'`. */
import { printable } from './printable.js';

export function shellWord({
  path,
  pathBase64,
}: {
  readonly path: string;
  readonly pathBase64?: string;
}): string {
  if (pathBase64 === undefined && printable(path) === path) {
    return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
  }
  const bytes = pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64');
  const quoted = [...bytes].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[\w@%+=:,./ -]/.test(char) ? char : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  // In $'…' an escape takes up to two hex digits, and none of what follows one here is a third.
  return `$'${quoted.join('')}'`;
}
