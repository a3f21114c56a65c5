/**
 * Rows as a tree of directories, optionally with the layers above them. A directory with nothing but one other
 * directory in it is one node with it ("/var/lib/db"), and what is too small to see is one node of its directory.
 */
import type { ReportRow } from '../../copyup/report-rows.js';

export interface Folder {
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
  readonly children: readonly (Folder | Leaf)[];
}

export interface Leaf {
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
  readonly layer: number | undefined;
  /** Absent for what was too small to see. */
  readonly row?: ReportRow;
}

/** Of a folder's bytes: less than this is not to be seen. */
const SEEN = 1 / 1500;

/** What has no bytes, such as a copied directory, has no area either. */
export function folderTree(all: readonly ReportRow[], layers?: readonly string[]): Folder {
  const rows = all.filter(({ bytes }) => bytes > 0);
  if (layers === undefined) return folder('/', rows, 0);
  const byLayer = Map.groupBy(rows, ({ layer }) => layer);
  return sum(
    'all layers',
    [...byLayer].map(([layer, members]) => ({
      ...folder('/', members, 0),
      name: layer === undefined ? 'unknown layer' : layers[layer]!,
    })),
  );
}

/** `depth` names of the rows' paths are gone already. */
function folder(name: string, rows: readonly ReportRow[], depth: number): Folder {
  const groups = Map.groupBy(rows, ({ path }) => {
    const parts = path.split('/').slice(1);
    return parts.length > depth + 1 ? parts[depth]! : '';
  });
  const [only] = groups;
  if (groups.size === 1 && only![0] !== '') return folder(joined(name, only![0]), only![1], depth + 1);
  const children = [...groups].flatMap(([part, members]): (Folder | Leaf)[] =>
    part === '' ? members.map(leaf) : [folder(part, members, depth + 1)],
  );
  return sum(name, children);
}

const joined = (name: string, part: string): string => (name === '/' ? `/${part}` : `${name}/${part}`);

function leaf(row: ReportRow): Leaf {
  const { path, count = 1, bytes, layer } = row;
  const name = count > 1 ? `${count} files` : path.slice(path.lastIndexOf('/') + 1);
  return { name, bytes, files: count, layer, row };
}

function sum(name: string, children: readonly (Folder | Leaf)[]): Folder {
  const total = (figure: (child: Folder | Leaf) => number) =>
    children.reduce((before, child) => before + figure(child), 0);
  return { name, bytes: total((child) => child.bytes), files: total((child) => child.files), children };
}

/** A copy of the tree whose small leaves are lumped together, seen from `root`. */
export function lumped(node: Folder, root: number = node.bytes): Folder {
  const small = node.children.filter((child) => child.bytes < root * SEEN);
  const large = node.children
    .filter((child) => child.bytes >= root * SEEN)
    .map((child) => ('children' in child ? lumped(child, root) : child));
  if (small.length < 2) return { ...node, children: [...large, ...small] };
  const { bytes, files } = sum('', small);
  const layers = new Set(small.map((child) => ('children' in child ? undefined : child.layer)));
  const [layer] = layers;
  const lump: Leaf = {
    name: `${files} small files`,
    bytes,
    files,
    layer: layers.size === 1 ? layer : undefined,
  };
  return { ...node, children: [...large, lump] };
}
