/**
 * What a pull tells while it works. The same union is the documented schema of `gantry pull --progress json`: one
 * JSON object a line (NDJSON), told apart by `event`. Sizes are bytes, times milliseconds.
 *
 *   {"event":"resolving","reference":"docker.io/library/redis:latest"}
 *   {"event":"resolved","reference":…,"digest":"sha256:…","platform":"linux/amd64","layers":[…],"bytesToFetch":64123}
 *   {"event":"layer","digest":"sha256:…","id":"a1b2c3d4e5f6","phase":"downloading","bytesIn":4096,"total":64123,…}
 *   {"event":"retry","digest":"sha256:…","attempt":1}
 *   {"event":"done","reference":…,"imageID":"sha256:…","digest":"sha256:…","status":"downloaded","bytes":64123,"ms":900,…}
 *
 * A layer's phases only move forward, unless it must be begun again: waiting → downloading → verifying → extracting
 * (what is left of it) → committed; or at once `exists`; or `failed` from anywhere. Every reference ends with exactly
 * one `done` or `error`.
 */
import type { ChainID, DiffID, Digest, ImageID } from '../core/digest/digest.js';

export type LayerPhase =
  | 'waiting'
  | 'downloading'
  | 'verifying'
  | 'extracting'
  | 'committed'
  | 'exists'
  | 'failed';

export interface ResolvedLayer {
  readonly digest: Digest;
  readonly diffID: DiffID;
  readonly chainID: ChainID;
  /** Bytes of the blob as the registry stores it. */
  readonly size: number;
  readonly state: 'fetch' | 'exists';
}

export interface ResolvingEvent {
  readonly event: 'resolving';
  readonly reference: string;
}

export interface ResolvedEvent {
  readonly event: 'resolved';
  readonly reference: string;
  /** Of the top-level document: the digest a RepoDigest shows. */
  readonly digest: Digest;
  readonly platform: string;
  /** Bottom first. */
  readonly layers: readonly ResolvedLayer[];
  readonly bytesToFetch: number;
}

export interface LayerEvent {
  readonly event: 'layer';
  /** Absent for a layer that several references of the command share. */
  readonly reference?: string;
  readonly digest: Digest;
  /** The first 12 hex digits of `digest`. */
  readonly id: string;
  readonly phase: LayerPhase;
  /** Bytes read from the source, of `total`. */
  readonly bytesIn: number;
  readonly total: number;
  /** Bytes of the tar they became. */
  readonly bytesOut: number;
  readonly bytesPerSecond: number;
  readonly retries: number;
  /** Since this layer's work began. */
  readonly ms: number;
}

/** The source failed or fell silent; the layer goes on from where it was. */
export interface RetryEvent {
  readonly event: 'retry';
  readonly digest: Digest;
  /** 1 for the first retry of this layer. */
  readonly attempt: number;
}

export interface WarningEvent {
  readonly event: 'warning';
  readonly message: string;
}

export interface DoneEvent {
  readonly event: 'done';
  readonly reference: string;
  readonly imageID: ImageID;
  readonly digest: Digest;
  readonly status: 'downloaded' | 'up-to-date';
  /** Bytes fetched for this reference. */
  readonly bytes: number;
  readonly ms: number;
  /** Milliseconds by step, for example `resolve`, `layers`, `commit`. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface ErrorEvent {
  readonly event: 'error';
  readonly reference: string;
  readonly code: string;
  readonly message: string;
}

export type PullEvent =
  | ResolvingEvent
  | ResolvedEvent
  | LayerEvent
  | RetryEvent
  | WarningEvent
  | DoneEvent
  | ErrorEvent;
