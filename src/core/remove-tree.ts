/**
 * Removes directory trees by synchronous calls: for the dozen files of a container asynchronous ones start four threads
 * (8 ms in place of 0.3), and for 100,000 files they take twice the time and three times the CPU. Between slices of a few
 * milliseconds the event loop goes on; only the listing of one huge directory holds it for longer (1 ms for 1,000 names).
 *
 * Names are bytes, so what is no UTF-8 goes too. Links are removed, never followed.
 * Something that is not there is as good as removed, wherever in the tree: somebody else may be removing it as well.
 */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { setImmediate as yieldLoop } from 'node:timers/promises';
import { errnoCode } from './errors.js';

const SLICE_MS = 10;
/** For a directory in which somebody still makes files. */
const ATTEMPTS = 5;
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
  if (found?.isDirectory()) yield* removal(Buffer.from(path));
  else if (found !== undefined) unlessGone(() => unlinkSync(path));
}

/** Yields after each entry. */
function* removal(directory: Buffer): Generator<void> {
  for (let attempt = 1; ; attempt++) {
    const entries = unlessGone(() => readdirSync(directory, { encoding: 'buffer', withFileTypes: true }));
    for (const entry of entries ?? []) {
      const path = Buffer.concat([directory, SLASH, entry.name]);
      if (entry.isDirectory()) yield* removal(path);
      else unlessGone(() => unlinkSync(path));
      yield;
    }
    try {
      if (entries !== undefined) unlessGone(() => rmdirSync(directory));
      return;
    } catch (error) {
      if (errnoCode(error) !== 'ENOTEMPTY' || attempt === ATTEMPTS) throw error;
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
