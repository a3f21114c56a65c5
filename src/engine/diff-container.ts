/**
 * `docker diff`: what a container changed, from its upper directory alone. Docker's rules, which compare with the image
 * and the init layer below:
 *
 *   A   nothing of that name below           D   a whiteout, or hidden by a directory that was made anew
 *   C   a file in the upper directory that covers one; a directory whose mode or owner changed, or with a change in it
 *
 * A directory's size is that of the files in it, each inode once.
 */
import { type BigIntStats, closeSync, openSync, readdirSync } from 'node:fs';
import { type Change, walkChanges } from '../layer/changes.js';
import { parentOf } from '../layer/entry-path.js';
import { LowerView } from '../overlay/lower-view.js';
import { findContainer } from './containers.js';
import { mountOf } from './still-container.js';
import type { Store } from './store.js';

export interface FileChange {
  readonly kind: 'A' | 'C' | 'D';
  /** From the container's root, which is '/'. */
  readonly path: string;
  /** Bytes that the write layer holds there. */
  readonly size: number;
}

export interface ContainerChanges {
  /** In byte order of their paths. */
  readonly changes: readonly FileChange[];
  readonly size: number;
}

/** Of a stopped or running container. ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_UNSUPPORTED as walkChanges. */
export async function diffContainer(store: Store, what: string): Promise<ContainerChanges> {
  const { ID } = await findContainer(store, what);
  const { mountID, initID, parent } = mountOf(store, ID);
  const image = parent === undefined ? [] : store.layers.chain(parent);
  const lowers = [initID, ...image.map((layer) => layer.cacheID)].map((id) => store.driver.files(id));
  const below = new LowerView(lowers);
  const root = openSync(store.driver.files(mountID), 'r');
  try {
    return compare(walkChanges(root), below);
  } finally {
    closeSync(root);
    below.close();
  }
}

function compare(changes: Iterable<Change>, below: LowerView): ContainerChanges {
  const kinds = new Map<string, FileChange['kind']>();
  const sizes = new Map<string, number>();
  const linked = new Set<bigint>();
  for (const change of changes) {
    const { path, kind, stat } = change;
    const covered = below.find(path);
    if (kind === 'whiteout') {
      if (covered !== undefined) kinds.set(path, 'D');
      continue;
    }
    if (path !== '' && (covered === undefined || differs(stat, covered)))
      kinds.set(path, covered === undefined ? 'A' : 'C');
    if (stat.isDirectory() && covered?.isDirectory() && (change.opaque || change.insideOpaque)) {
      for (const name of hidden(change, below)) kinds.set(path === '' ? name : `${path}/${name}`, 'D');
    }
    if (!stat.isFile() || linked.has(stat.ino)) continue;
    if (stat.nlink > 1n) linked.add(stat.ino);
    for (const at of upward(path)) sizes.set(at, (sizes.get(at) ?? 0) + Number(stat.size));
  }
  for (const path of [...kinds.keys()]) {
    for (const above of upward(parentOf(path))) {
      if (above === '' || kinds.has(above)) break;
      kinds.set(above, 'C');
    }
  }
  return {
    changes: [...kinds.keys()].sort().map((path) => ({
      kind: kinds.get(path)!,
      path: `/${Buffer.from(path, 'latin1').toString()}`,
      size: sizes.get(path) ?? 0,
    })),
    size: sizes.get('') ?? 0,
  };
}

/** Docker looks at a directory's permissions alone; what is in it speaks for itself. */
const differs = (own: BigIntStats, covered: BigIntStats): boolean =>
  !(own.isDirectory() && covered.isDirectory()) ||
  own.mode !== covered.mode ||
  own.uid !== covered.uid ||
  own.gid !== covered.gid;

function hidden({ path, fd }: Change, below: LowerView): string[] {
  const own = new Set(readdirSync(`/proc/self/fd/${fd}`, 'latin1'));
  return below.list(path).filter((name) => !own.has(name));
}

/** The path, and the directories it lies in, up to the root. */
function* upward(path: string): Generator<string> {
  for (let at = path; ; at = parentOf(at)) {
    yield at;
    if (at === '') return;
  }
}
