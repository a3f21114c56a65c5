/**
 * The files of a report as a page can bear them: names made printable, and of thousands of files the most costly ones
 * each on its own, the others added up by directory and layer. Nothing is lost from the totals.
 *
 *   { "path": "/var/lib/db/main.db", "bytes": 2147483648, … }                  a file
 *   { "path": "/usr/share/app/", "count": 4100, "bytes": 81000000, … }         what is left of a directory
 */
import { printable, printablePath } from './printable.js';
import type { CopiedFile } from './profile.js';
import { directoryOf, tally } from './summary.js';

export interface ReportRow {
  readonly path: string;
  /** Files that the row stands for; 1 where absent. */
  readonly count?: number;
  readonly cause?: string;
  readonly command?: string;
  readonly pid?: number;
  readonly layer?: number;
  readonly bytes: number;
  readonly startMs?: number;
  /** From the first start to the last end. */
  readonly endMs?: number;
  /** Waits, added up. */
  readonly waitedMs?: number;
  /** Copied bytes that were compared, and the changed ones of them. */
  readonly compared?: number;
  readonly changed?: CopiedFile['changed'];
  readonly gone?: boolean;
}

const SINGLE = 1500;
const GROUPS = 300;

export interface RowLimits {
  readonly single: number;
  readonly groups: number;
}

/** In the given order; rows of several files come last. */
export function reportRows(
  files: readonly CopiedFile[],
  limits: RowLimits = { single: SINGLE, groups: GROUPS },
): ReportRow[] {
  const { single, groups } = limits;
  if (files.length <= single) return files.map(fileRow);
  const { bytes, waitedMs = 0 } = tally(files);
  const share = (file: CopiedFile) =>
    Math.max(file.bytes / (bytes || 1), (file.durationMs ?? 0) / (waitedMs || 1));
  const kept = new Set([...files].sort((a, b) => share(b) - share(a)).slice(0, single));
  const rest = new Map<string, CopiedFile[]>();
  for (const file of files) {
    if (kept.has(file)) continue;
    const key = `${file.layer} ${directoryOf(file.path)}`;
    const members = rest.get(key);
    if (members === undefined) rest.set(key, [file]);
    else members.push(file);
  }
  const sorted = [...rest.values()].sort((a, b) => tally(b).bytes - tally(a).bytes);
  const far = sorted.slice(groups).flat();
  return [
    ...files.filter((file) => kept.has(file)).map(fileRow),
    ...sorted.slice(0, groups).map((members) => groupRow(directoryOf(members[0]!.path), members)),
    ...(far.length === 0 ? [] : [groupRow('/', far)]),
  ];
}

function fileRow(file: CopiedFile): ReportRow {
  const { bytes, cause, pid, command, layer, startMs, durationMs, changed, gone } = file;
  return {
    path: printablePath(file),
    bytes,
    cause,
    ...(pid === undefined ? {} : { pid }),
    ...(command === undefined ? {} : { command: printable(command) }),
    ...(layer === undefined ? {} : { layer }),
    ...(startMs === undefined ? {} : { startMs, endMs: startMs + (durationMs ?? 0) }),
    ...(durationMs === undefined ? {} : { waitedMs: durationMs }),
    ...(changed === undefined ? {} : { compared: bytes, changed }),
    ...(gone ? { gone } : {}),
  };
}

function groupRow(directory: string, files: readonly CopiedFile[]): ReportRow {
  const { bytes, waitedMs, compared, changed } = tally(files);
  const layers = new Set(files.map(({ layer }) => layer));
  const started = files.filter(({ startMs }) => startMs !== undefined);
  return {
    path: directory === '/' ? '/' : `${printable(directory)}/`,
    count: files.length,
    bytes,
    ...(layers.size === 1 && files[0]!.layer !== undefined ? { layer: files[0]!.layer } : {}),
    ...(started.length === 0
      ? {}
      : {
          startMs: started.reduce(
            (first, { startMs }) => Math.min(first, startMs!),
            Number.POSITIVE_INFINITY,
          ),
          endMs: started.reduce(
            (last, { startMs, durationMs = 0 }) => Math.max(last, startMs! + durationMs),
            0,
          ),
        }),
    ...(waitedMs === undefined ? {} : { waitedMs }),
    ...(compared === undefined
      ? {}
      : {
          compared,
          changed: {
            block4k: changed!,
            block64k: files.reduce((sum, file) => sum + (file.changed?.block64k ?? 0), 0),
          },
        }),
  };
}
