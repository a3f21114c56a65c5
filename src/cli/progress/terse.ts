/** Progress for programs: NDJSON of the events, or the pulled reference alone. */
import type { Progress, Write } from './progress.js';

export const jsonProgress = (write: Write): Progress => ({
  announce: () => {},
  event: (event) => write(`${JSON.stringify(event)}\n`),
  stop: () => {},
});

/** Warnings go to stderr; the error of a reference is thrown by the pull and shown once, by the caller. */
export const quietProgress = (write: Write, warn: Write): Progress => ({
  announce: () => {},
  event: (event) => {
    if (event.event === 'done') write(`${event.reference}\n`);
    else if (event.event === 'warning') warn(`gantry: warning: ${event.message}\n`);
  },
  stop: () => {},
});
