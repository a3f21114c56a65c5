/**
 * Two directory trees compared to the last attribute. A tree is read as records by path, with names as bytes in
 * latin1; hardlinks are a group named after its first path, since inode numbers differ from tree to tree.
 * Needs root to see every attribute.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { getXattr, listXattrs } from '../../src/core/fsops/xattr.js';

export interface TreeRecord {
  readonly type: 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';
  /** Permission bits with setuid, setgid and sticky, in octal. */
  readonly mode: string;
  readonly owner: string;
  readonly mtimeNs: bigint;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly device?: string;
  /** The first path (in byte order) of the same inode, where it has several in this tree. */
  readonly hardlink?: string;
  /** Names and values as latin1. */
  readonly xattrs: Readonly<Record<string, string>>;
}

export type Tree = ReadonlyMap<string, TreeRecord>;

export interface TreeOptions {
  /** Left out, with everything beneath: for what a tool adds to a tree itself. */
  readonly skip?: (path: string) => boolean;
  /** True for an attribute to read; all by default. */
  readonly xattr?: (name: string) => boolean;
}

const TYPES: Readonly<Record<number, TreeRecord['type']>> = {
  [constants.S_IFREG]: 'file',
  [constants.S_IFDIR]: 'dir',
  [constants.S_IFLNK]: 'symlink',
  [constants.S_IFCHR]: 'char',
  [constants.S_IFBLK]: 'block',
  [constants.S_IFIFO]: 'fifo',
  [constants.S_IFSOCK]: 'socket',
};

/** Every path under `root` (the root itself is ""), in byte order. */
export function readTree(root: string, options: TreeOptions = {}): Tree {
  const tree = new Map<string, TreeRecord>();
  const firsts = new Map<string, string>();
  const buffer = Buffer.allocUnsafe(1 << 20);
  const visit = (path: string): void => {
    if (options.skip?.(path)) return;
    const full = Buffer.concat([Buffer.from(root), Buffer.from(path === '' ? '' : `/${path}`, 'latin1')]);
    const stat = lstatSync(full, { bigint: true });
    const mode = Number(stat.mode);
    const type = TYPES[mode & constants.S_IFMT]!;
    const inode = `${stat.dev}:${stat.ino}`;
    const shared = type !== 'dir' && stat.nlink > 1n;
    if (shared && !firsts.has(inode)) firsts.set(inode, path);
    const first = shared ? firsts.get(inode) : undefined;
    const rdev = Number(stat.rdev);
    const xattrs: Record<string, string> = {};
    for (const name of listXattrs(full).sort()) {
      if (options.xattr?.(name) ?? true) xattrs[name] = getXattr(full, name)?.toString('latin1') ?? '';
    }
    tree.set(path, {
      type,
      mode: (mode & 0o7777).toString(8).padStart(4, '0'),
      owner: `${stat.uid}:${stat.gid}`,
      mtimeNs: stat.mtimeNs,
      ...(type === 'file' && {
        size: Number(stat.size),
        sha256: first !== undefined && first !== path ? tree.get(first)!.sha256! : contentHash(full, buffer),
      }),
      ...(type === 'symlink' && { target: readlinkSync(full, 'latin1') }),
      ...((type === 'char' || type === 'block') && { device: device(rdev) }),
      ...(first !== undefined && { hardlink: first }),
      xattrs,
    });
    if (type !== 'dir') return;
    const names = readdirSync(full, 'buffer').map((name) => name.toString('latin1'));
    for (const name of names.sort()) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  dropLoneLinks(tree);
  return tree;
}

/** A link count above 1 whose other names are outside this tree (a lower layer's, say) is no group of it. */
function dropLoneLinks(tree: Map<string, TreeRecord>): void {
  const counts = new Map<string, number>();
  for (const { hardlink } of tree.values()) {
    if (hardlink !== undefined) counts.set(hardlink, (counts.get(hardlink) ?? 0) + 1);
  }
  for (const [path, { hardlink, ...rest }] of tree) {
    if (hardlink !== undefined && counts.get(hardlink) === 1) tree.set(path, rest);
  }
}

/** Linux's 64-bit dev_t as "major:minor" (gnu_dev_major(3)). */
function device(rdev: number): string {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}

function contentHash(path: Buffer, buffer: Buffer): string {
  const hash = createHash('sha256');
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer))
      hash.update(buffer.subarray(0, got));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** One line a difference ("usr/bin/x: mode 0755 | 4755"), empty when the trees are the same. */
export function diffTrees(left: Tree, right: Tree): string[] {
  const lines: string[] = [];
  for (const path of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    const [a, b] = [left.get(path), right.get(path)];
    const shown = JSON.stringify(path);
    if (a === undefined || b === undefined) {
      lines.push(`${shown}: only on the ${a === undefined ? 'right' : 'left'} (${(a ?? b)!.type})`);
      continue;
    }
    for (const key of FIELDS) {
      const [x, y] = [show(a[key]), show(b[key])];
      if (x !== y) lines.push(`${shown}: ${key} ${x} | ${y}`);
    }
  }
  return lines;
}

const FIELDS = [
  'type',
  'mode',
  'owner',
  'mtimeNs',
  'size',
  'sha256',
  'target',
  'device',
  'hardlink',
  'xattrs',
] as const satisfies readonly (keyof TreeRecord)[];

const show = (value: TreeRecord[(typeof FIELDS)[number]]): string =>
  typeof value === 'bigint' ? `${value}` : JSON.stringify(value ?? null);
