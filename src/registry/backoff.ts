/** When to ask a registry again, and how long to wait first (FORMATS §A1). All times are milliseconds. */
import { setTimeout as delay } from 'node:timers/promises';

export const RETRY_ATTEMPTS = 5;
const FIRST_MS = 500;
const MOST_MS = 5000;
const RETRY_AFTER_MOST_MS = 60_000;

/** Statuses that say "later", not "no". */
export const isTransientStatus = (status: number): boolean =>
  status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);

const TRANSIENT = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Failures of a connection that may be over in a second; a wrong name or certificate will not. */
export const isTransientErrno = (errno: unknown): boolean => TRANSIENT.has(String(errno));

/** Retry-After as a wait, in seconds or as an HTTP-date, at most a minute; undefined where absent or senseless. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), RETRY_AFTER_MOST_MS);
}

/** Exponential from 0.5 to 5 s with half of it random, so that a hundred build agents do not come back at once. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_MS * 2 ** attempt, MOST_MS);
  return full / 2 + (full / 2) * random();
}

export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

export const sleep: Sleep = async (ms, signal) => {
  await delay(ms, undefined, signal && { signal });
};
