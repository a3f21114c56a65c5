/**
 * An error as a user sees it: what failed, why (the chain of causes), and the command that would mend it.
 *
 *   gantry: layer sha256:1234…: download failed after 5 attempts
 *     cause: connection reset by peer
 *     hint: run the pull again; it goes on where it stopped
 */
import { GantryError } from '../../core/errors.js';
import { originalStack } from './stack.js';

export function renderError(error: unknown, debug: boolean): string {
  const chain: unknown[] = [];
  for (let at = error; at !== undefined && at !== null && !chain.includes(at); at = (at as Error).cause)
    chain.push(at);
  const lines = chain.map((at, depth) => `${depth === 0 ? 'gantry:' : '  cause:'} ${messageOf(at)}`);
  for (const at of chain) {
    if (at instanceof GantryError && at.details.hint !== undefined) lines.push(`  hint: ${at.details.hint}`);
  }
  if (debug) {
    for (const at of chain) {
      if (at instanceof GantryError) lines.push(`  code: ${at.code} ${JSON.stringify(at.details)}`);
      if (at instanceof Error && at.stack !== undefined) lines.push(originalStack(at.stack));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** A Node system error says more by its message than by its class; an AggregateError by what it holds. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map(messageOf).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}
