/** What the supervisor thread is asked, and what it tells. */
import type { WireError } from '../core/wire-error.js';
import type { Sample } from './sample.js';
import type { Target } from './tracked.js';

export type Request =
  /** Also again, for a container that was started anew under its id. */
  | { readonly ask: 'track'; readonly target: Target }
  | { readonly ask: 'untrack'; readonly id: string }
  | { readonly ask: 'stop' };

export type Notice =
  | { readonly tell: 'started' }
  /** Of every tracked container, of one tick. */
  | { readonly tell: 'sample'; readonly samples: readonly Sample[] }
  /** The container has ended, or had before it was tracked. It is not tracked any more. */
  | { readonly tell: 'exit'; readonly id: string; readonly pid: number }
  /** `kills` processes of it in all were killed for want of memory. */
  | { readonly tell: 'oom'; readonly id: string; readonly pid: number; readonly kills: number }
  /** Its files cannot be read or understood. It is not tracked any more. */
  | { readonly tell: 'error'; readonly id: string; readonly pid: number; readonly error: WireError };
