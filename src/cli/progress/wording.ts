/** Docker's sentences around a pull, the same on a terminal and in a log. */
import { shortID } from '../../core/digest/digest.js';
import type { DoneEvent, LayerPhase, RetryEvent } from '../../engine/pull-events.js';
import { familiarString, parseReference, type Reference } from '../../registry/reference.js';

export const PHASE_WORDS: Readonly<Record<LayerPhase, string>> = {
  waiting: 'Pulling fs layer',
  downloading: 'Downloading',
  extracting: 'Extracting',
  verifying: 'Verifying Checksum',
  committed: 'Pull complete',
  exists: 'Already exists',
  failed: 'Failed',
};

/** "Using default tag: latest", when the user gave neither tag nor digest. */
export const defaultTagLine = (reference: Reference): string =>
  reference.tag === undefined && reference.digest === undefined ? 'Using default tag: latest\n' : '';

/** "latest: Pulling from library/redis" */
export function pullingLine(canonical: string): string {
  const { tag, digest, path } = parseReference(canonical);
  return `${digest ?? tag ?? 'latest'}: Pulling from ${path}\n`;
}

/** "a1b2c3d4e5f6: Retrying (attempt 1)" */
export const retryLine = ({ digest, attempt }: RetryEvent): string =>
  `${shortID(digest)}: Retrying (attempt ${attempt})\n`;

/** The last three lines: digest, status, canonical reference. */
export function doneLines(done: DoneEvent): string {
  const name = familiarString(parseReference(done.reference));
  const status =
    done.status === 'downloaded' ? `Downloaded newer image for ${name}` : `Image is up to date for ${name}`;
  return `Digest: ${done.digest}\nStatus: ${status}\n${done.reference}\n`;
}
