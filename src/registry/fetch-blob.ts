/**
 * A blob for a layer: the bytes that an earlier pull kept, and the rest from the network, in one stream to one sink.
 *
 *   no partial file     [0 ──────────────── network ──────────────── size)      kept once the network is slow
 *   partial from 9 MB   [0 ─ network ─ 9M)[─── file ─── 70M)[─ network ─ size)   kept from the first byte
 *
 * Invariant: file and network bytes pass through the same sink, hence the same hash. When that finds them wrong the
 * caller calls `removePartial`, and asks once more if `meter.fromFile` is not 0; on success it calls `removePartial`
 * when the layer is published. The caller holds the digest's lock.
 */
import { shortID } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import { type BlobStreamOptions, type BlobStreamResult, type Meter, streamBlob } from './blob-stream.js';
import type { ByteSink } from './http-body.js';
import { PartialFile } from './partial.js';

/** Bytes are kept once a transfer has waited so long for the network: a fast pull never writes them twice. */
const KEEP_AFTER_MS = 3000;

export interface FetchMeter extends Meter {
  /** Bytes that came from the partial file. */
  fromFile: number;
}

export const newFetchMeter = (): FetchMeter => ({ retries: 0, waitingMs: 0, fromFile: 0 });

export interface FetchBlobOptions extends Omit<BlobStreamOptions, 'offset' | 'end' | 'meter'> {
  /** The folder of partial files. */
  readonly partials: string;
  readonly meter?: FetchMeter;
  readonly keepAfterMs?: number;
}

export interface FetchBlobResult extends BlobStreamResult {
  readonly fromFile: number;
}

/** As `streamBlob`, for the whole blob. On 'restart' nothing is kept, so that the next call starts from zero. */
export async function fetchBlob(o: FetchBlobOptions): Promise<FetchBlobResult> {
  const { meter = newFetchMeter(), keepAfterMs = KEEP_AFTER_MS } = o;
  const file = new PartialFile(o.partials, o.digest, o.size);
  const resumed = file.end > 0;
  let at = 0;
  const sink: ByteSink = (bytes, start, end) => {
    o.sink(bytes, start, end);
    if (resumed || meter.waitingMs > keepAfterMs) file.write(bytes, start, end, at);
    at += end - start;
  };
  const network = async (end: number) => (await streamBlob({ ...o, meter, sink, offset: at, end })).outcome;
  const feed = (): void => {
    for (let count = 0; at < file.end; at += count) {
      o.words.phase = 'downloading';
      if (o.words.canceled) throw new GantryError('ERR_CANCELED', `blob ${shortID(o.digest)}: canceled`);
      count = file.read(o.buffer, at);
      if (count === 0) return;
      o.sink(o.buffer, 0, count);
      meter.fromFile += count;
      o.words.set('bytesIn', at + count);
    }
  };
  try {
    let outcome = await network(file.start);
    if (outcome === 'complete') {
      file.fillHole();
      feed();
      outcome = await network(o.size);
    }
    if (outcome === 'restart') file.drop();
    return { outcome, bytes: at, ...meter };
  } finally {
    file.close();
  }
}
