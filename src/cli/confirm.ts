/** A yes-or-no question; anything but y, and the end of the input, is no. */
import type { Session } from './session.js';

export async function confirm(session: Session, question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const ended = new Promise<string>((resolve) => reader.once('close', () => resolve('')));
    const answer = await Promise.race([
      reader.question(`${question} [y/N] `, { signal: session.signal }),
      ended,
    ]);
    return answer.trim().toLowerCase() === 'y';
  } finally {
    reader.close();
  }
}
