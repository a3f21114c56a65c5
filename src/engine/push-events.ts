/**
 * What a push tells while it works; also the schema of `gantry push --progress json`, one object a line.
 *
 *   {"event":"pushing","reference":"localhost:5000/redis:latest","repository":"localhost:5000/redis"}
 *   {"event":"layer","diffID":"sha256:…","id":"a1b2c3d4e5f6","phase":"pushing","bytes":4096,"total":64123}
 *   {"event":"layer","diffID":"sha256:…","id":"a1b2c3d4e5f6","phase":"mounted","from":"localhost:5000/base","bytes":0,"total":0}
 *   {"event":"done","reference":…,"digest":"sha256:…","size":1573,"bytes":64123,"ms":900}
 *
 * A layer's phases move forward: preparing → compressing → pushing → pushed; or `exists` or `mounted` at once; or
 * `failed`. `bytes` is of the tar while compressing and of the blob while pushing. Every reference ends with one `done` or `error`.
 */
import type { DiffID, Digest } from '../core/digest/digest.js';
import type { ErrorEvent, WarningEvent } from './pull-events.js';

export type PushPhase = 'preparing' | 'compressing' | 'pushing' | 'pushed' | 'mounted' | 'exists' | 'failed';

export interface PushLayerEvent {
  readonly event: 'layer';
  readonly diffID: DiffID;
  /** The first 12 hex digits of `diffID`. */
  readonly id: string;
  readonly phase: PushPhase;
  readonly bytes: number;
  readonly total: number;
  readonly retries: number;
  /** Of `mounted`: the repository that had it. */
  readonly from?: string;
}

export interface PushingEvent {
  readonly event: 'pushing';
  readonly reference: string;
  readonly repository: string;
}

export interface PushedEvent {
  readonly event: 'done';
  readonly reference: string;
  /** Of the manifest, with its size in bytes. */
  readonly digest: Digest;
  readonly size: number;
  /** Bytes uploaded for this reference. */
  readonly bytes: number;
  readonly ms: number;
}

export type PushEvent = PushingEvent | PushLayerEvent | PushedEvent | WarningEvent | ErrorEvent;
