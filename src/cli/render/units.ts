/**
 * Sizes and times in docker's words (go-units).
 *
 *   humanSize(1_982_280) "1.982MB"    humanSize(1_982_280, 3) "1.98MB"    bytesSize(524_288_000) "500MiB"
 *   humanDuration(90_000) "About a minute"      ago(…) "2 weeks ago"
 */
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let size = bytes;
  let unit = 0;
  // Rounding may reach the base itself: 999.9kB in 3 digits is 1MB.
  while (Number(size.toPrecision(digits)) >= base && unit < units.length - 1) {
    size /= base;
    unit++;
  }
  return `${Number(size.toPrecision(digits))}${units[unit]}`;
}

/** Bytes in powers of 1000, with up to `digits` significant digits. */
export const humanSize = (bytes: number, digits = 4): string => scaled(bytes, 1000, DECIMAL, digits);

/** Bytes in powers of 1024. */
export const bytesSize = (bytes: number, digits = 4): string => scaled(bytes, 1024, BINARY, digits);

/** Milliseconds as docker says them. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
}

/** "3 days ago"; "N/A" for an image without a date. */
export const ago = (time: string | undefined, now: number): string =>
  time === undefined || Number.isNaN(Date.parse(time))
    ? 'N/A'
    : `${humanDuration(now - Date.parse(time))} ago`;

/** Go's time.String() to the second, in UTC: "2026-11-21 21:43:39 +0000 UTC". */
export const goTime = (time: string | undefined): string =>
  time === undefined || Number.isNaN(Date.parse(time))
    ? 'N/A'
    : `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;

/** The first `width` characters, the last of them an ellipsis when more are cut. */
export function ellipsis(text: string, width: number): string {
  const chars = [...text];
  return chars.length <= width ? text : `${chars.slice(0, width - 1).join('')}…`;
}
