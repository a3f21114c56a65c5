/** `--progress`: auto is bars on a terminal and plain lines elsewhere. */
import type { Session } from '../session.js';
import { plainProgress } from './plain.js';
import type { Progress } from './progress.js';
import { jsonProgress, quietProgress } from './terse.js';

export type ProgressKind = 'auto' | 'tty' | 'plain' | 'json' | 'quiet';

/** For `run --quiet`. */
export const silent: Progress = { announce: () => {}, event: () => {}, stop: () => {} };

/** `run` shows its pull on stderr, because stdout is the container's. */
export async function createProgress(
  session: Session,
  kind: ProgressKind,
  stream: NodeJS.WriteStream = process.stdout,
): Promise<Progress> {
  const write = stream === process.stderr ? session.err : session.out;
  switch (kind) {
    case 'json':
      return jsonProgress(write);
    case 'quiet':
      return quietProgress(write, session.err);
    case 'plain':
      return plainProgress(write);
    case 'tty':
      return (await import('./tty.js')).ttyProgress(stream);
    case 'auto':
      return createProgress(session, stream.isTTY && process.env.TERM !== 'dumb' ? 'tty' : 'plain', stream);
  }
}
