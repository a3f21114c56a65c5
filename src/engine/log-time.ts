/** Times as `logs --since` takes them: RFC 3339 (a date alone is UTC), seconds since the epoch, or `1h30m` before now. */
import { GantryError } from '../core/errors.js';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** RFC 3339 in UTC. Throws ERR_INVALID_ARGUMENT. */
export function parseLogTime(text: string, now: Date): string {
  if (/^\d+(\.\d{1,9})?$/.test(text)) {
    const [seconds = '', fraction = '0'] = text.split('.');
    return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0')}Z`;
  }
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text) {
    const ms = parts.reduce((sum, [, value, unit]) => sum + Number(value) * UNITS[unit!]!, 0);
    return new Date(now.getTime() - ms).toISOString();
  }
  const [, second, fraction = '', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  const at = new Date(second === undefined ? Number.NaN : second.includes('T') ? `${second}${zone}` : second);
  if (Number.isNaN(at.getTime())) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `invalid time ${JSON.stringify(text)}: expected 2024-05-01T10:00:00Z, seconds or 42m`,
    );
  }
  return `${at.toISOString().slice(0, 19)}${fraction}Z`;
}
