/**
 * One blob from a registry into a synchronous sink: the hot path of a pull (DESIGN §4). The caller owns one buffer
 * for the life of its thread; every read lands in it and is handed on as (buffer, start, end).
 *
 *   GET <base>/<repository>/blobs/<digest>          offset 0
 *   Range: bytes=<offset>-<end - 1>                 after a cut, or for a part; always bounded, because an open
 *                                                   range makes servers read on for nobody
 *
 * Invariant: the sink sees each byte of [offset, end) once and in order, or the call fails; never a byte more. A
 * server that answers 200 to a Range is never appended from: either the bytes already seen are skipped, or the
 * outcome is 'restart' and the caller begins from zero with a fresh sink. Whether the bytes are right is for the
 * digest downstream.
 */
import type { SecureContext } from 'node:tls';
import { type Digest, shortID } from '../core/digest/digest.js';
import { GantryError, isGantryError } from '../core/errors.js';
import type { ProgressWords } from '../core/progress-words.js';
import { Authorizer } from './auth.js';
import {
  backoffMs,
  isTransientErrno,
  isTransientStatus,
  RETRY_ATTEMPTS,
  retryAfterMs,
  type Sleep,
  sleep,
} from './backoff.js';
import { requestBlob } from './blob-request.js';
import type { BlobSource, Endpoint } from './endpoint.js';
import type { ByteSink } from './http-body.js';
import { contentLength, type Head } from './http-head.js';

/**
 * Bytes thrown away when a server ignores Range. A restart costs the same bytes and the sink's work again, but lets
 * the caller count restarts: skipping without end would fetch a large layer from a server that cuts O(n²).
 */
const SKIP_AT_MOST = 1024 * 1024;
const STALL_MS = 30_000;
/**
 * A good length for the caller's buffer. 1 GB over loopback into an empty sink, CPU seconds of this side (medians of
 * 3): 64 KiB 0.148, 128 KiB 0.142, 256 KiB 0.139, 512 KiB 0.131, 1 MiB 0.121; into SHA-256 no difference (0.85), and
 * more than 256 KiB no longer fits the second-level cache beside what the sink reads and writes. TLS reads are
 * records of 16 KiB whatever the buffer.
 */
export const BLOB_BUFFER_BYTES = 256 * 1024;
/** How often cancel, stall and progress are looked at. */
const TICK_MS = 100;

/** Counts of a transfer while it runs. */
export interface Meter {
  retries: number;
  /** Milliseconds this thread's event loop was idle: during a transfer that is time blocked on the network. */
  waitingMs: number;
}

export interface BlobStreamOptions {
  readonly source: BlobSource;
  readonly digest: Digest;
  /** Of the whole blob, from its descriptor. */
  readonly size: number;
  /** The caller's, for the life of its thread; may be a view of memory outside V8. */
  readonly buffer: Uint8Array;
  /** Called with ranges of `buffer`. What it throws ends the transfer and is rethrown as it is. */
  readonly sink: ByteSink;
  readonly words: ProgressWords;
  /** The part to fetch is [offset, end); default the whole blob. */
  readonly offset?: number;
  readonly end?: number;
  readonly meter?: Meter;
  /** TLS contexts by settings, for a thread to keep: making one parses the system's certificates (19 ms). */
  readonly contexts?: Map<string, SecureContext>;
  readonly stallMs?: number;
  readonly sleep?: Sleep;
  readonly env?: NodeJS.ProcessEnv;
}

type Outcome = 'complete' | 'restart';

export interface BlobStreamResult extends Readonly<Meter> {
  /** 'restart': the server ignores Range and too much was sent already; throw away what the sink made of it. */
  readonly outcome: Outcome;
  /** Bytes the sink was given. */
  readonly bytes: number;
}

/**
 * Fetches [offset, end) of a blob, the endpoints in order. Throws what the sink threw; ERR_CANCELED at most 100 ms,
 * or one call of the sink, after `words.cancel()`; ERR_SIZE_MISMATCH before the sink sees a byte beyond `size`; and
 * ERR_NETWORK, ERR_TIMEOUT, ERR_UNAUTHORIZED, ERR_DENIED, ERR_NOT_FOUND, ERR_RATE_LIMITED or ERR_REGISTRY.
 */
export async function streamBlob(o: BlobStreamOptions): Promise<BlobStreamResult> {
  const meter = o.meter ?? { retries: 0, waitingMs: 0 };
  const transfer = new Transfer(o, meter);
  try {
    const outcome = await transfer.run();
    return { outcome, bytes: transfer.bytes, retries: meter.retries, waitingMs: meter.waitingMs };
  } finally {
    transfer.close();
  }
}

class Transfer {
  readonly #o: BlobStreamOptions;
  readonly #meter: Meter;
  readonly #what: string;
  readonly #authorizer: Authorizer;
  readonly #contexts: Map<string, SecureContext>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #start: number;
  readonly #end: number;
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #idleBefore: number;
  #nextTick = 0;
  /** Next byte of the blob that the sink wants. */
  #at: number;
  /** Bytes of this response still to throw away. */
  #skip = 0;
  #restart = false;
  #sinkFailure: { readonly error: unknown } | undefined;

  constructor(o: BlobStreamOptions, meter: Meter) {
    this.#o = o;
    this.#meter = meter;
    this.#contexts = o.contexts ?? new Map();
    this.#env = o.env ?? process.env;
    this.#what = `blob ${shortID(o.digest)}`;
    this.#authorizer = new Authorizer(o.source.auth, { userAgent: o.source.userAgent, env: this.#env });
    this.#start = this.#at = o.offset ?? 0;
    this.#end = o.end ?? o.size;
    this.#idleBefore = performance.eventLoopUtilization().idle - meter.waitingMs;
    this.#timer = setInterval(this.#tick, TICK_MS);
    this.#tick();
  }

  get bytes(): number {
    return this.#at - this.#start;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#tick();
  }

  readonly #tick = (): void => {
    this.#nextTick = performance.now() + TICK_MS;
    this.#meter.waitingMs = performance.eventLoopUtilization().idle - this.#idleBefore;
    this.#o.words.set('bytesIn', this.#at);
    if (this.#o.words.canceled) this.#stop.abort(new GantryError('ERR_CANCELED', `${this.#what}: canceled`));
  };

  async run(): Promise<Outcome> {
    if (this.#at === this.#end) return 'complete';
    this.#o.words.phase = 'connecting';
    const endpoints = this.#o.source.endpoints.filter((endpoint) => endpoint.capabilities.pull);
    const failures: GantryError[] = [];
    for (const endpoint of endpoints) {
      try {
        // another endpoint is a better answer to trouble than waiting for this one
        return await this.#from(endpoint, endpoint === endpoints.at(-1) ? RETRY_ATTEMPTS : 1);
      } catch (error) {
        if (this.#sinkFailure !== undefined) throw this.#sinkFailure.error;
        if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
        if (!isGantryError(error)) throw error;
        failures.push(error);
      }
    }
    const last = failures.at(-1);
    if (last === undefined) throw new GantryError('ERR_NOT_FOUND', `${this.#what}: no endpoint may serve it`);
    if (failures.length === 1) throw last;
    const all = failures.map((failure) => failure.message).join('; ');
    throw new GantryError(last.code, all, last.details, { cause: last });
  }

  /** From one endpoint, again after failures that may pass; `limit` counts those that brought no byte. */
  async #from(endpoint: Endpoint, limit: number): Promise<Outcome> {
    for (let attempt = 0; ; ) {
      const before = this.#at;
      let failure: unknown;
      try {
        await this.#request(endpoint);
        if (this.#restart) return 'restart';
      } catch (error) {
        if (this.#sinkFailure !== undefined || !isTransient(error)) throw error;
        failure = error;
      }
      if (this.#at === this.#end) return 'complete';
      if (this.#at > before) attempt = 0;
      // less than the range asked for is allowed (RFC 9110 §14.2): on to the next part at once
      if (failure === undefined && this.#at > before) continue;
      if (attempt === limit)
        throw failure ?? new GantryError('ERR_REGISTRY', `${this.#what}: no byte in the answer`);
      this.#o.words.set('retries', ++this.#meter.retries);
      this.#o.words.phase = 'connecting';
      await (this.#o.sleep ?? sleep)(pauseMs(failure, attempt++), this.#stop.signal);
    }
  }

  #request(endpoint: Endpoint): Promise<void> {
    const { source, digest, size, buffer, stallMs = STALL_MS } = this.#o;
    const ranged = this.#at > 0 || this.#end < size;
    return requestBlob({
      endpoint,
      repository: source.repository,
      digest,
      what: this.#what,
      userAgent: source.userAgent,
      range: ranged ? `bytes=${this.#at}-${this.#end - 1}` : undefined,
      authorizer: this.#authorizer,
      contexts: this.#contexts,
      env: this.#env,
      buffer,
      stallMs,
      tickMs: TICK_MS,
      signal: this.#stop.signal,
      accept: (head, host) =>
        head.status === 206 ? this.#part(head, host) : this.#whole(head, host, ranged),
    });
  }

  /** 206: only exactly where we are, of a blob of exactly this size. */
  #part(head: Head, host: string): ByteSink {
    const text = head.headers.get('content-range') ?? 'none';
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(text) ?? [];
    if (Number(first) !== this.#at || Number(total) !== this.#o.size || !(Number(last) < this.#end)) {
      const asked = `bytes ${this.#at}-${this.#end - 1}/${this.#o.size}`;
      throw new GantryError(
        'ERR_REGISTRY',
        `${this.#what}: asked ${host} for ${asked}, found Content-Range ${text}`,
      );
    }
    return this.#body(head, host, 0, Number(last) + 1);
  }

  /** 200: the blob from its first byte, whatever was asked for. */
  #whole(head: Head, host: string, ranged: boolean): ByteSink | undefined {
    this.#restart = ranged && (this.#at > SKIP_AT_MOST || this.#end < this.#o.size);
    return this.#restart ? undefined : this.#body(head, host, this.#at, this.#o.size);
  }

  #body(head: Head, host: string, skip: number, limit: number): ByteSink {
    const expected = skip + limit - this.#at;
    const found = contentLength(head);
    if (found !== undefined && found !== expected)
      throw this.#sizeMismatch(host, expected, `a Content-Length of ${found}`);
    this.#skip = skip;
    this.#o.words.phase = 'downloading';
    return (bytes, start, end) => {
      if (performance.now() >= this.#nextTick) this.#tick();
      this.#stop.signal.throwIfAborted();
      const from = Math.min(end, start + this.#skip);
      this.#skip -= from - start;
      if (from === end) return;
      if (this.#at + end - from > limit) throw this.#sizeMismatch(host, expected, 'more');
      try {
        this.#o.sink(bytes, from, end);
      } catch (error) {
        this.#sinkFailure = { error };
        throw error;
      }
      this.#at += end - from;
    };
  }

  #sizeMismatch(host: string, expected: number, found: string): GantryError {
    return new GantryError(
      'ERR_SIZE_MISMATCH',
      `${this.#what}: expected ${expected} bytes from ${host}, found ${found}`,
    );
  }
}

function isTransient(error: unknown): boolean {
  if (!isGantryError(error)) return false;
  const { status, errno } = error.details;
  if (typeof status === 'number') return isTransientStatus(status);
  return error.code === 'ERR_TIMEOUT' || (error.code === 'ERR_NETWORK' && isTransientErrno(errno));
}

function pauseMs(failure: unknown, attempt: number): number {
  const asked = isGantryError(failure) ? failure.details.retryAfter : undefined;
  return retryAfterMs(typeof asked === 'string' ? asked : undefined, Date.now()) ?? backoffMs(attempt);
}
