/**
 * Which call made overlayfs copy a file, from what was seen: how the copy was when the call returned, how the lower file
 * is, and whether the copy was ever closed after writing. The kernel does not say it.
 */
import type { CopyUpCause } from './profile.js';

export interface FileFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly nlink: number;
}

export interface CauseEvidence {
  /** Only of a regular file do links and size tell something. */
  readonly regular: boolean;
  readonly lower: FileFacts;
  /** When the call returned. */
  readonly after: FileFacts;
  /** Its path then is not the lower file's. */
  readonly moved: boolean;
  /** The data was not copied, because the file was opened to be emptied. */
  readonly emptied: boolean;
  /** A descriptor for writing was closed later, or is open still and was written to. */
  readonly written: boolean;
  /** The copy's extended attributes are not those of the lower file. */
  readonly attributesDiffer: boolean;
  /** The process, where it is known. */
  readonly command?: string;
}

/** Programs that do one thing: setting an attribute to what it was leaves no other trace. */
const SETTERS: ReadonlyMap<string, CopyUpCause> = new Map([
  ['chown', 'chown'],
  ['chgrp', 'chown'],
  ['chmod', 'chmod'],
  ['setfattr', 'xattr'],
  ['setfacl', 'xattr'],
  ['setcap', 'xattr'],
]);

export function causeOf(evidence: CauseEvidence): CopyUpCause {
  const { regular, lower, after, moved, emptied, written, attributesDiffer, command } = evidence;
  if (regular && after.nlink > lower.nlink) return 'link';
  if (moved) return 'rename';
  if (after.uid !== lower.uid || after.gid !== lower.gid) return 'chown';
  if (after.mode !== lower.mode) return 'chmod';
  if (regular && (emptied || after.size < lower.size)) return 'truncate';
  if (written) return 'open';
  if (attributesDiffer) return 'xattr';
  return SETTERS.get(command ?? '') ?? 'unknown';
}
