/** What shows a pull. `create.ts` picks one; the others here are named for the flag's values. */
import type { PullEvent } from '../../engine/pull-events.js';
import type { Reference } from '../../registry/reference.js';

export interface Progress {
  /** Before anything is asked of a registry. */
  announce(reference: Reference): void;
  readonly event: (event: PullEvent) => void;
  /** Restores the terminal; safe to call twice. */
  stop(): void;
}

export type Write = (text: string) => void;
