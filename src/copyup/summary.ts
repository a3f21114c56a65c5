/**
 * What a profile comes to: totals, and the same figures by layer, directory, process and cause, the most copied first.
 *
 *   { "totals": { "files": 14, "bytes": 2147500000, "waitedMs": 1830.7, "compared": 2147500000, "changed": 8192,
 *     "amplification": 262146 }, "busyMs": 1790.1, "runShare": 0.22, "created": { "files": 3, "bytes": 12 },
 *     "byLayer": [ { "layer": 2, "files": 1, … } ], "byDirectory": [ { "directory": "/var/lib/db", … } ],
 *     "byCommand": [ { "command": "postgres", "processes": 2, … } ], "byCause": [ { "cause": "open", … } ] }
 *
 * What the source could not know is absent, never zero. Each group's figures add up to the totals.
 */
import { type Amplification, amplification } from './amplification.js';
import type { CopiedFile, CopyUpCause, CopyUpProfile } from './profile.js';

export interface Tally {
  readonly files: number;
  readonly bytes: number;
  /** Milliseconds that processes waited for these copies, added up; absent when no file tells. */
  readonly waitedMs?: number;
  /** Copied bytes of the files that were compared with the lower file, and how many of those bytes (4 KiB blocks) changed. */
  readonly compared?: number;
  readonly changed?: number;
  /** `compared` ÷ `changed`; null when nothing changed. */
  readonly amplification?: Amplification;
}

export interface CopyUpSummary {
  readonly totals: Tally;
  /** Milliseconds of the run in which at least one copy-up was under way. */
  readonly busyMs?: number;
  /** `busyMs` as a share of the run, 0 to 1. */
  readonly runShare?: number;
  readonly created: { readonly files: number; readonly bytes: number };
  /** `layer` is an index into the profile's layers; absent where it can no longer be told. */
  readonly byLayer: readonly (Tally & { readonly layer?: number })[];
  /** The directories that hold the files, without what is further down. */
  readonly byDirectory: readonly (Tally & { readonly directory: string })[];
  readonly byCommand: readonly (Tally & { readonly command?: string; readonly processes: number })[];
  readonly byCause: readonly (Tally & { readonly cause: CopyUpCause })[];
}

export function summarise(profile: CopyUpProfile): CopyUpSummary {
  const { files, created, durationMs } = profile;
  const busyMs = busyTime(files);
  return {
    totals: tally(files),
    ...(busyMs === undefined ? {} : { busyMs }),
    ...(busyMs === undefined || !durationMs ? {} : { runShare: Math.min(1, busyMs / durationMs) }),
    created: { files: created.length, bytes: created.reduce((sum, file) => sum + file.bytes, 0) },
    byLayer: grouped(
      files,
      (file) => file.layer,
      (layer) => (layer === undefined ? {} : { layer }),
    ),
    byDirectory: grouped(
      files,
      (file) => directoryOf(file.path),
      (directory) => ({ directory }),
    ),
    byCommand: grouped(
      files,
      (file) => file.command,
      (command, members) => ({
        ...(command === undefined ? {} : { command }),
        processes: new Set(members.flatMap((file) => file.pid ?? [])).size,
      }),
    ),
    byCause: grouped(
      files,
      (file) => file.cause,
      (cause) => ({ cause }),
    ),
  };
}

/** "/var/lib/db/main.db" → "/var/lib/db" */
export const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

export function tally(files: readonly CopiedFile[]): Tally {
  const timed = files.filter((file) => file.durationMs !== undefined);
  const compared = files.filter((file) => file.changed !== undefined);
  const sum = (of: readonly CopiedFile[], figure: (file: CopiedFile) => number) =>
    of.reduce((total, file) => total + figure(file), 0);
  const bytes = sum(compared, (file) => file.bytes);
  const changed = sum(compared, (file) => file.changed!.block4k);
  const ratio = amplification(bytes, changed);
  return {
    files: files.length,
    bytes: sum(files, (file) => file.bytes),
    ...(timed.length === 0 ? {} : { waitedMs: sum(timed, (file) => file.durationMs!) }),
    ...(compared.length === 0 ? {} : { compared: bytes, changed }),
    ...(ratio === undefined ? {} : { amplification: ratio }),
  };
}

function grouped<Key, Label>(
  files: readonly CopiedFile[],
  key: (file: CopiedFile) => Key,
  label: (key: Key, members: readonly CopiedFile[]) => Label,
): (Tally & Label)[] {
  const groups = new Map<Key, CopiedFile[]>();
  for (const file of files) {
    const group = groups.get(key(file));
    if (group === undefined) groups.set(key(file), [file]);
    else group.push(file);
  }
  return [...groups]
    .map(([name, members]) => ({ ...tally(members), ...label(name, members) }))
    .sort((a, b) => b.bytes - a.bytes || (b.waitedMs ?? 0) - (a.waitedMs ?? 0) || b.files - a.files);
}

/** The length of the union of all waits: two processes that wait at the same time count once. */
function busyTime(files: readonly CopiedFile[]): number | undefined {
  const spans = files
    .flatMap(({ startMs, durationMs }) =>
      startMs === undefined || durationMs === undefined ? [] : [[startMs, startMs + durationMs] as const],
    )
    .sort(([a], [b]) => a - b);
  if (spans.length === 0) return undefined;
  let total = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const [start, end] of spans) {
    if (end <= until) continue;
    total += end - Math.max(start, until);
    until = end;
  }
  return total;
}
