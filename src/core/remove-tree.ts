/**
 * Removes directory trees by synchronous calls: for the dozen files of a container asynchronous ones start four threads
 * (8 ms in place of 0.3), and for 100,000 files they take twice the time and three times the CPU. Between slices of a few
 * milliseconds the event loop goes on; only the listing of one huge directory holds it for longer (1 ms for 1,000 names).
 *
 * Names are bytes, so what is no UTF-8 goes too. Links are removed, never followed.
 * Something that is not there is as good as removed, wherever in the tree: somebody else may be removing it as well.
 *
 * A tree may be deeper than a path is long (PATH_MAX; a container makes one by mkdir and cd). What lies too deep is renamed
 * to the top, and removed from there.
 */
import { randomUUID } from 'node:crypto';
import { lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { setImmediate as yieldLoop } from 'node:timers/promises';
import { errnoCode } from './errors.js';

const SLICE_MS = 10;
/** For a directory in which somebody still makes files. */
const ATTEMPTS = 5;
/** Bytes of a path; with one more name it is still one (4096). */
const DEEP = 3500;
const SLASH = Buffer.from('/');

/** Node's system errors pass through. */
export async function removeTree(path: string): Promise<void> {
  let until = Date.now() + SLICE_MS;
  for (const _removed of removalAt(path)) {
    if (Date.now() < until) continue;
    await yieldLoop();
    until = Date.now() + SLICE_MS;
  }
}

/** The same for a tree that is known to be small. */
export function removeSmallTree(path: string): void {
  for (const _removed of removalAt(path));
}

function* removalAt(path: string): Generator<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  const top = Buffer.from(path);
  if (found?.isDirectory()) yield* removal(top, { top, moved: false });
  else if (found !== undefined) unlessGone(() => unlinkSync(path));
}

interface Removal {
  readonly top: Buffer;
  /** To the top, since it was listed. */
  moved: boolean;
}

/** Yields after each entry. */
function* removal(directory: Buffer, whole: Removal): Generator<void> {
  for (let attempt = 1; ; attempt++) {
    const entries = unlessGone(() => readdirSync(directory, { encoding: 'buffer', withFileTypes: true }));
    for (const entry of entries ?? []) {
      const path = Buffer.concat([directory, SLASH, entry.name]);
      if (!entry.isDirectory()) unlessGone(() => unlinkSync(path));
      else if (path.length < DEEP) yield* removal(path, whole);
      else {
        unlessGone(() => renameSync(path, Buffer.concat([whole.top, SLASH, Buffer.from(randomUUID())])));
        whole.moved = true;
      }
      yield;
    }
    try {
      if (entries !== undefined) unlessGone(() => rmdirSync(directory));
      return;
    } catch (error) {
      if (errnoCode(error) !== 'ENOTEMPTY') throw error;
      if (directory === whole.top && whole.moved) {
        whole.moved = false;
        attempt = 0;
      } else if (attempt === ATTEMPTS) throw error;
    }
  }
}

function unlessGone<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
