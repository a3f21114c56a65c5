/**
 * What a command gets to see of the process: where to write, when to stop, which store. `gantry.ts` makes the one of
 * the process; global options are filled in before an action runs.
 */
import type { Store } from '../engine/store.js';

export interface Session {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Aborts at the first Ctrl-C; the second ends the process. */
  readonly signal: AbortSignal;
  /** The store's root: `--root`, GANTRY_ROOT, /var/lib/gantry. */
  root: string;
  debug: boolean;
  /** Of the process, unless an error decides otherwise. */
  exitCode: number;
}

export const DEFAULT_ROOT = '/var/lib/gantry';

/** Opens the session's store; the engine is loaded here and not before. */
export async function openSessionStore(session: Session): Promise<Store> {
  const { openStore } = await import('../engine/store.js');
  return openStore(session.root);
}
