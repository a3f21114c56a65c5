/** What copy-ups may cost before CI fails: `100MB`, `64MiB` (bytes copied), `250ms`, `1.5s` (time waited). */
import { goDuration } from '../core/duration.js';
import { GantryError } from '../core/errors.js';
import type { CopyUpSummary } from './summary.js';

export interface CostLimit {
  readonly of: 'bytes' | 'time';
  /** Bytes or milliseconds. */
  readonly limit: number;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Undefined for anything else. The unit is needed: it tells which of the two is meant. */
export function parseCostLimit(text: string): CostLimit | undefined {
  const time = goDuration(text);
  if (time !== undefined) return { of: 'time', limit: time };
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  for (const [base, units] of [
    [1000, UNITS],
    [1024, BINARY_UNITS],
  ] as const) {
    const power = units.findIndex((name) => name.toLowerCase() === unit.toLowerCase());
    if (power !== -1) return { of: 'bytes', limit: Number(number) * base ** power };
  }
  return undefined;
}

/**
 * What the copy-ups cost, in the limit's unit, where that is more than it allows; else undefined. ERR_UNSUPPORTED where the
 * profile has copies but no times: silence would read as "within the limit".
 */
export function costOver({ of, limit }: CostLimit, { totals }: CopyUpSummary): number | undefined {
  const cost = of === 'bytes' ? totals.bytes : totals.waitedMs;
  if (cost === undefined && totals.files > 0) {
    throw new GantryError('ERR_UNSUPPORTED', 'this profile has no times to compare with a limit in time', {
      hint: "'gantry copyup profile' traces a run and takes the times",
    });
  }
  return (cost ?? 0) > limit ? cost : undefined;
}
