/**
 * What a worker hands back for a layer that it unpacked and verified: plain data that crosses threads and is kept
 * as JSON beside a parked layer. Paths are latin1 strings of the raw bytes, relative to `diff/`, without a leading
 * or trailing slash, because a name in a tar is bytes.
 */
import type { DiffID, Digest } from '../core/digest/digest.js';
import type { Compression } from '../core/oci/media-types.js';

export interface LayerReceipt {
  /** Digest of the blob as fetched; for a source without one (a local tar) the digest of the bytes read. */
  readonly digest: Digest;
  readonly diffID: DiffID;
  /** As found in the blob's first bytes, whatever the media type says. */
  readonly compression: Compression;
  /** Bytes read from the source, and bytes of the tar they became. */
  readonly compressedSize: number;
  readonly tarSize: number;
  /** Sum of the file sizes in the layer: Docker's `size` file, what `docker history` shows. */
  readonly size: number;
  readonly entries: number;
  /** Directories that hold entries but have none themselves; they get their parent layer's attributes at commit. */
  readonly implicitDirs: readonly string[];
  /** Whiteouts written (the hidden path, without `.wh.`); those that hide nothing below are dropped at commit. */
  readonly whiteouts: readonly string[];
  /** `trusted.overlay.*` and `user.overlay.*` attributes that were dropped. */
  readonly droppedXattrs: number;
  /** Milliseconds. `waiting` is time blocked on the source. */
  readonly timings: { readonly total: number; readonly waiting: number };
  readonly retries: number;
}
