/** Where systemd-journald listens. A file of its own: who only asks for it does not load the reader. */
import { existsSync } from 'node:fs';
import { GantryError } from '../core/errors.js';

export const JOURNAL_SOCKET = '/run/systemd/journal/socket';

/** ERR_RUNTIME_MISSING where no journal listens: conmon would drop the log without a word. */
export function requireJournal(): void {
  if (existsSync(JOURNAL_SOCKET)) return;
  throw new GantryError(
    'ERR_RUNTIME_MISSING',
    `failed to initialize logging driver: journald is not enabled on this host: expected ${JOURNAL_SOCKET}`,
    { hint: 'use --log-driver json-file, or start systemd-journald' },
  );
}
