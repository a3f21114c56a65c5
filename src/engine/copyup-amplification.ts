/**
 * Fills in what of the copied bytes was really changed: each copied file of a profile that is still there, against the
 * file of the layer it came from, in the pool. Many small files make one task, a big one several.
 */
import { availableParallelism } from 'node:os';
import type { ChangedBytes } from '../copyup/changed-blocks.js';
import type { Stretch } from '../copyup/compare-stretch.js';
import type { CopiedFile, CopyUpProfile } from '../copyup/profile.js';
import { parseCacheID, parseContainerID } from '../core/ids.js';
import { Pool } from './pool.js';
import type { Store } from './store.js';

/** A thread reads both sides of this much in some 20 ms when they are cached. */
const TASK_BYTES = 64 * 1024 * 1024;
const TASK_FILES = 256;

type Compared = Stretch & { readonly file: CopiedFile };

/**
 * The profile with `changed` for each file that can be compared; the others are as they were, and so is a profile whose
 * container is gone. Throws Node's errors of reading.
 */
export async function withAmplification(store: Store, profile: CopyUpProfile): Promise<CopyUpProfile> {
  const mount = store.layers.db.mounts.get(parseContainerID(profile.container.id));
  if (mount === undefined) return profile;
  const lowers = profile.layers.map(({ cacheID }) => store.driver.files(parseCacheID(cacheID)));
  const stretches = profile.files.flatMap((file) => {
    const lower = file.layer === undefined ? undefined : lowers[file.layer];
    const comparable = lower !== undefined && file.kind === 'file' && !file.gone;
    return comparable ? split(file, lower, store.driver.files(mount.mountID)) : [];
  });
  if (stretches.length === 0) return profile;
  const found = await compareAll(stretches);
  const files = profile.files.map((file) => {
    const changed = found.get(file);
    return changed === undefined ? file : { ...file, changed };
  });
  return { ...profile, files };
}

/** The last stretch has no end: the file may have grown. */
function split(file: CopiedFile, lower: string, upper: string): Compared[] {
  const bytes =
    file.pathBase64 === undefined ? Buffer.from(file.path) : Buffer.from(file.pathBase64, 'base64');
  const path = bytes.toString('latin1');
  const stretches: Compared[] = [];
  let start = 0;
  for (; start + TASK_BYTES < file.bytes; start += TASK_BYTES) {
    stretches.push({ file, lower, upper, path, start, end: start + TASK_BYTES });
  }
  return [...stretches, { file, lower, upper, path, start }];
}

async function compareAll(
  stretches: readonly Compared[],
): Promise<Map<CopiedFile, ChangedBytes | undefined>> {
  const pool = new Pool('copyup', availableParallelism());
  try {
    const answers = await Promise.all(batches(stretches).map((batch) => pool.run('compareFiles', batch)));
    const sums = new Map<CopiedFile, ChangedBytes | undefined>();
    for (const [at, answer] of answers.flat().entries()) {
      const { file } = stretches[at]!;
      sums.set(file, sums.has(file) ? sum(sums.get(file), answer) : answer);
    }
    return sums;
  } finally {
    await pool.close();
  }
}

/** Undefined where a part could not be compared. */
const sum = (one: ChangedBytes | undefined, other: ChangedBytes | undefined): ChangedBytes | undefined =>
  one && other && { block4k: one.block4k + other.block4k, block64k: one.block64k + other.block64k };

function batches(stretches: readonly Compared[]): Stretch[][] {
  const made: Stretch[][] = [];
  let room = 0;
  for (const { file, ...stretch } of stretches) {
    const bytes = (stretch.end ?? Math.max(file.bytes, stretch.start)) - stretch.start;
    if (made.length === 0 || room < bytes || made.at(-1)!.length === TASK_FILES) {
      made.push([]);
      room = TASK_BYTES;
    }
    made.at(-1)!.push(stretch);
    room -= bytes;
  }
  return made;
}
