/**
 * One line of conmon's log to one of Docker's:
 *
 *   2024-05-01T12:00:00.123456789+02:00 stdout F hello            F: ended by a newline    P: cut, more follows
 *   {"log":"hello\n","stream":"stdout","time":"2024-05-01T10:00:00.123456789Z"}
 *
 * conmon cuts long lines at 8 KiB wherever that is: the first bytes of a character that was cut are carried over to the
 * stream's next line.
 */

export type LogStream = 'stdout' | 'stderr';

/** Bytes of a cut character, by stream, as hex. */
export type Carry = Readonly<Partial<Record<LogStream, string>>>;

const HEAD = /^(\S+) (stdout|stderr) ([FP]) /;
const LONGEST_HEAD = 64;

/** `line` without its newline. Undefined for what conmon did not write. */
export function dockerLine(
  line: Buffer,
  carry: Carry,
): { readonly text: string; readonly carry: Carry } | undefined {
  const head = HEAD.exec(line.toString('latin1', 0, LONGEST_HEAD));
  const time = head && utc(head[1]!);
  if (!head || time === undefined) return undefined;
  const stream = head[2] as LogStream;
  const { [stream]: before, ...rest } = carry;
  const body = line.subarray(head[0].length);
  const bytes = before === undefined ? body : Buffer.concat([Buffer.from(before, 'hex'), body]);
  const cut = head[3] === 'P' ? incomplete(bytes) : 0;
  const log = bytes.toString('utf8', 0, bytes.length - cut) + (head[3] === 'F' ? '\n' : '');
  return {
    text: log === '' ? '' : `${JSON.stringify({ log, stream, time })}\n`,
    carry: cut === 0 ? rest : { ...rest, [stream]: bytes.subarray(bytes.length - cut).toString('hex') },
  };
}

/** How many bytes at the end begin a UTF-8 character that does not end there. */
function incomplete(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** RFC 3339 with any zone to UTC, all digits of the second kept. */
function utc(time: string): string | undefined {
  const [, second, fraction = '', zone] = /^([\d-]+T[\d:]+)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  if (second === undefined || zone === undefined) return undefined;
  if (zone === 'Z' || zone === '+00:00') return `${second}${fraction}Z`;
  const at = new Date(`${second}${zone}`);
  return Number.isNaN(at.getTime()) ? undefined : `${at.toISOString().slice(0, 19)}${fraction}Z`;
}
