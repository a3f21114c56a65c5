/**
 * The document of `gantry copyup report --format json`: the profile (profile.ts), its files sorted and each with its
 * `amplification`, and beside them what they come to (summary.ts) and what to do (advice.ts). It can be given back to
 * `gantry copyup report` as a profile, unless --top cut its files; `leftOut` then tells how many.
 *
 *   { "schema": "gantry.copyup/1", …, "files": [ { "path": "/var/lib/db/main.db", …, "amplification": 524288 } ],
 *     "leftOut": 59, "summary": { "totals": { "files": 71, "bytes": 716000000, … }, … },
 *     "advice": [ { "rule": "volume", "title": …, "because": { "files": 4, "bytes": 432000000, "waitedMs": 377.4 },
 *     "reason": …, "paths": [ "/var/lib/db" ], "where": "shell", "command": "gantry run -v …" } ] }
 */
import { type Advice, advise } from './advice.js';
import { type Amplification, amplificationOf } from './amplification.js';
import type { CopiedFile, CopyUpProfile } from './profile.js';
import { type FileOrder, sortFiles } from './sort-files.js';
import { type CopyUpSummary, summarise } from './summary.js';

export interface CopyUpReport extends CopyUpProfile {
  readonly files: readonly (CopiedFile & { readonly amplification?: Amplification })[];
  readonly leftOut?: number;
  readonly summary: CopyUpSummary;
  readonly advice: readonly Advice[];
}

export interface ReportOptions {
  readonly sort: FileOrder;
  /** Files to list; 0 for all. Summary and advice are always of all. */
  readonly top: number;
}

export function makeReport(profile: CopyUpProfile, { sort, top }: ReportOptions): CopyUpReport {
  const sorted = sortFiles(profile.files, sort);
  const files = top === 0 ? sorted : sorted.slice(0, top);
  const leftOut = sorted.length - files.length;
  return {
    ...profile,
    files: files.map((file) => {
      const ratio = amplificationOf(file);
      return ratio === undefined ? file : { ...file, amplification: ratio };
    }),
    ...(leftOut === 0 ? {} : { leftOut }),
    summary: summarise(profile),
    advice: advise(profile),
  };
}
