/**
 * A copy-up profile: what one run of a container copied up, how long it waited for it, and what of the copied bytes it
 * really changed. This is also the documented JSON of `gantry copyup report --format json`, kept as
 * <root>/gantry/profiles/<container id>.json:
 *
 *   { "schema": "gantry.copyup/1", "source": "trace", "container": {…}, "startedAt": "2026-11-22T00:00:00.000000000Z",
 *     "durationMs": 8123.4, "lost": 0, "layers": […], "files": [ { "path": "/var/lib/db/main.db", "cause": "open",
 *     "pid": 12, "command": "postgres", "layer": 2, "bytes": 2147483648, "startMs": 310.2, "durationMs": 1820.7,
 *     "changed": { "block4k": 4096, "block64k": 65536 } } ], "created": [ { "path": "/run/db.pid", "bytes": 3 } ] }
 *
 * Sizes are bytes, times are milliseconds of the monotonic clock since `startedAt`. A field that the source cannot know is absent,
 * never zero: a profile made from the upper directory alone has no pid, command, startMs or durationMs.
 */

export const PROFILE_SCHEMA = 'gantry.copyup/1';

/** What made the kernel copy the file up; `unknown` where only the copy was seen and nothing told why. */
export type CopyUpCause = 'open' | 'truncate' | 'chmod' | 'chown' | 'xattr' | 'rename' | 'link' | 'unknown';

export type CopiedKind = 'file' | 'directory' | 'symlink' | 'other';

export interface ProfileLayer {
  /** The layer's chainID, `sha256:…`; absent for the container's init layer. */
  readonly chainID?: string;
  readonly cacheID: string;
  /** The history line that made it, as `gantry history` shows it. */
  readonly createdBy?: string;
}

export interface CopiedFile {
  /** Absolute inside the container; bytes that are not UTF-8 show as U+FFFD, and `pathBase64` has the true ones. */
  readonly path: string;
  readonly pathBase64?: string;
  readonly kind: CopiedKind;
  readonly cause: CopyUpCause;
  /** In the host's pid namespace. */
  readonly pid?: number;
  readonly command?: string;
  /** Index into `layers`: where the copied file came from; absent where it can no longer be told. */
  readonly layer?: number;
  /** Data bytes that the kernel copied; 0 for a directory, a symlink and a metadata-only copy. */
  readonly bytes: number;
  readonly startMs?: number;
  readonly durationMs?: number;
  /** Bytes in blocks of 4 KiB and 64 KiB that differ from the lower file; absent where the copy is gone or was not compared. */
  readonly changed?: { readonly block4k: number; readonly block64k: number };
  /** The copy was removed or replaced again before the profile ended. */
  readonly gone?: boolean;
}

/** A file that did not exist below: allocated on demand, nothing was copied. */
export interface CreatedFile {
  readonly path: string;
  readonly pathBase64?: string;
  readonly bytes: number;
  readonly pid?: number;
  readonly command?: string;
  readonly startMs?: number;
}

export interface CopyUpProfile {
  readonly schema: typeof PROFILE_SCHEMA;
  readonly source: 'trace' | 'upper';
  readonly container: {
    readonly id: string;
    readonly name: string;
    readonly image: string;
    readonly imageID: string;
  };
  readonly startedAt: string;
  /** How long the container was watched; absent for `upper`. */
  readonly durationMs?: number;
  readonly exitCode?: number;
  /**
   * How often something was missed: the kernel's queue was full, or a directory lay too deep to be looked into. Where
   * above 0, totals are a lower bound, and causes and processes may be missing.
   */
  readonly lost: number;
  /** The lower directories, topmost first. */
  readonly layers: readonly ProfileLayer[];
  readonly files: readonly CopiedFile[];
  readonly created: readonly CreatedFile[];
}
