/** One file of a layer beside what the layer's tar says of it: everything but the contents. */
import type { BigIntStats } from 'node:fs';
import type { TarEntry } from '../core/tar/entry.js';
import type { NewEntry } from '../core/tar/writer.js';
import type { Change } from './changes.js';
import type { ExpectedNode } from './expected-tree.js';
import { OPAQUE_XATTR } from './whiteout.js';

export interface Difference {
  /** "mode", "owner", "size", … */
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

/** What ext4 keeps of a time: 34 bits of seconds from 1901. Beyond that the file system clamps, and docker does below 0. */
const LATEST = 15_032_385_535;
const OVERLAY = /^(?:trusted|user)\.overlay\./;
/** Set by the host, for the host: labels of security modules. */
const foreign = (name: string): boolean => name.startsWith('security.') && name !== 'security.capability';

export const modeText = (mode: number | bigint): string => `0${(Number(mode) & 0o7777).toString(8)}`;
const timeText = ({ mtime, mtimeNanos }: { mtime: number; mtimeNanos: number }): string =>
  `${mtime}.${String(mtimeNanos).padStart(9, '0')}`;
const valueText = (value: string | undefined): string =>
  value === undefined ? 'none' : `0x${Buffer.from(value, 'latin1').toString('hex').slice(0, 80)}`;

/** Of a node that is an entry. `found` is what lies there; undefined for a socket and for a whiteout. */
export function differences(node: ExpectedNode, change: Change): Difference[] {
  const expected = node.entry!;
  const found = change.entry;
  if (found?.type !== expected.type) {
    return [{ what: 'type', expected: expected.type, found: found?.type ?? change.kind }];
  }
  return [
    ...differing('mode', modeOf(expected), modeOf(found)),
    ...differing('owner', ownerOf(expected), ownerOf(found)),
    ...differing('size', sizeOf(expected), sizeOf(found)),
    ...differing('device', deviceOf(expected), deviceOf(found)),
    ...differing('link target', expected.type === 'symlink' ? expected.linkname : '', found.linkname),
    ...(timesAgree(expected, found) ? [] : differing('mtime', timeText(expected), timeText(found))),
    ...xattrDifferences(node, change),
  ];
}

/** Of a directory without an entry: `covered` is what it lies over. One that docker made has a time of its own, and other modes. */
export function implicitDifferences(node: ExpectedNode, change: Change, covered?: BigIntStats): Difference[] {
  const found = change.entry;
  if (found?.type !== 'directory') {
    return [{ what: 'type', expected: 'directory', found: found?.type ?? change.kind }];
  }
  const source = covered?.isDirectory() ? covered : undefined;
  if (change.stat.mtimeNs !== (source?.mtimeNs ?? 0n)) return opaqueDifferences(node, change);
  return [
    ...differing('mode', modeText(source?.mode ?? 0o755), modeText(found.mode)),
    ...differing('owner', source ? `${source.uid}:${source.gid}` : '0:0', ownerOf(found)),
    ...opaqueDifferences(node, change),
  ];
}

const differing = (what: string, expected: string, found: string): Difference[] =>
  expected === found ? [] : [{ what, expected, found }];

type Shared = TarEntry | NewEntry;
const modeOf = ({ type, mode }: Shared): string => (type === 'symlink' ? '' : modeText(mode));
const ownerOf = ({ uid, gid }: Shared): string => `${uid}:${gid}`;
const sizeOf = ({ type, size }: Shared): string => (type === 'file' ? String(size) : '');
const deviceOf = ({ type, major, minor }: Shared): string =>
  type === 'char' || type === 'block' ? `${major}:${minor}` : '';

function timesAgree(expected: TarEntry, found: NewEntry): boolean {
  if (expected.mtime < 0 && found.mtime === 0) return true;
  return (
    expected.mtime > LATEST || (expected.mtime === found.mtime && expected.mtimeNanos === found.mtimeNanos)
  );
}

function xattrDifferences(node: ExpectedNode, change: Change): Difference[] {
  const { xattrs, type } = node.entry!;
  const wanted = new Map([...(xattrs ?? [])].filter(([name]) => !OVERLAY.test(name)));
  const found = new Map(
    [...(change.xattrs ?? [])].filter(
      ([name]) => !OVERLAY.test(name) && (wanted.has(name) || !foreign(name)),
    ),
  );
  const differs: Difference[] = opaqueDifferences(node, change);
  for (const name of new Set([...wanted.keys(), ...found.keys()])) {
    const [expected, is] = [wanted.get(name), found.get(name)];
    // The kernel keeps user.* for files and directories only; PAX cannot tell an empty value from none.
    const dropped = is === undefined && (expected === '' || (type !== 'file' && type !== 'directory'));
    if (expected === is || dropped || (expected === undefined && is === '')) continue;
    differs.push({ what: `attribute ${name}`, expected: valueText(expected), found: valueText(is) });
  }
  return differs;
}

function opaqueDifferences({ opaque }: ExpectedNode, change: Change): Difference[] {
  const marked = change.opaque;
  if (marked ? opaque !== 'no' : opaque !== 'marked') return [];
  const text = (is: boolean): string => (is ? 'y' : 'none');
  return [{ what: `attribute ${OPAQUE_XATTR}`, expected: text(!marked), found: text(marked) }];
}
