/** `--filter NAME=VALUE`, given several times, as docker reads it. */
import { GantryError } from '../core/errors.js';

export type Filters = ReadonlyMap<string, readonly string[]>;

/** "label=a=b" → label: ["a=b"]. Throws ERR_INVALID_ARGUMENT without a `=`. */
export function parseFilters(texts: readonly string[]): Filters {
  const filters = new Map<string, string[]>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals < 0)
      throw new GantryError('ERR_INVALID_ARGUMENT', 'bad format of filter (expected name=value)');
    const name = text.slice(0, equals).trim().toLowerCase();
    filters.set(name, [...(filters.get(name) ?? []), text.slice(equals + 1).trim()]);
  }
  return filters;
}

/** Throws ERR_INVALID_ARGUMENT for a name that is not among `names`. */
export function knownFilters(filters: Filters, names: readonly string[]): void {
  for (const name of filters.keys()) {
    if (!names.includes(name)) {
      throw new GantryError('ERR_INVALID_ARGUMENT', `Invalid filter '${name}'`, {
        hint: `known filters: ${names.join(', ')}`,
      });
    }
  }
}

/** A yes-or-no filter; undefined when it is not given. */
export function isTrue(filters: Filters, name: string): boolean | undefined {
  const values = filters.get(name);
  if (values === undefined) return undefined;
  if (values.every((value) => value === 'true' || value === '1')) return true;
  if (values.every((value) => value === 'false' || value === '0')) return false;
  throw new GantryError('ERR_INVALID_ARGUMENT', `Invalid filter '${name}=[${values.join(' ')}]'`);
}

/** `label=key` or `label=key=value`. */
export function labelMatches(
  labels: Readonly<Record<string, string>> | null | undefined,
  wanted: string,
): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  const value = labels?.[key];
  return value !== undefined && (equals < 0 || value === wanted.slice(equals + 1));
}

/** `until=24h`, `until=10m30s`, or a time: the moment, in ms since the epoch. Throws ERR_INVALID_ARGUMENT. */
export function parseUntil(text: string, now: number): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    return now - parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
  }
  const time = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(time)) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `until: expected a duration such as 24h or a time, found ${JSON.stringify(text)}`,
    );
  }
  return time;
}
