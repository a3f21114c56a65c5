/**
 * The last touch on a layer's files, once its parent is known. Two things cannot be right before:
 *
 *   implicit directory   the tar has `usr/bin/x` but no `usr/bin/`. The unpacked `usr/bin` is merged over the parent's
 *                        and its attributes win, so it takes mode, owner, mtime and xattrs of what it covers. Where it
 *                        covers no directory it is root's, 0755, of 1970: the same on every pull.
 *   idle whiteout        hides nothing below. overlayfs drops whiteouts while it merges directories; in a directory that
 *                        exists in one layer only it merges nothing, and readdir shows the whiteout as an entry that
 *                        cannot be opened. So it is removed, and the directory's mtime put back.
 *
 * Both may be repeated: a commit that was killed half way settles again.
 */
import { chmodSync, chownSync, closeSync, lstatSync, openSync, statSync, unlinkSync } from 'node:fs';
import { errnoCode } from '../core/errors.js';
import { openInRoot, procPath, realPathInRoot } from '../core/fsops/in-root.js';
import { setMtime } from '../core/fsops/mtime.js';
import { getXattr, listXattrs, setXattr } from '../core/fsops/xattr.js';
import { coveredBy, isBelowOpaque, isWhiteout } from './covered.js';
import type { PendingPaths } from './driver.js';

const SELF = Buffer.from('.');

/** `diff` is the layer's own directory, `lowers` those of the layers below, top first. */
export function settle(diff: string, lowers: readonly string[], pending: PendingPaths): void {
  if (pending.implicitDirs.length + pending.whiteouts.length === 0) return;
  const open: number[] = [];
  try {
    for (const directory of [diff, ...lowers]) open.push(openSync(directory, 'r'));
    const [root, ...below] = open as [number, ...number[]];
    for (const path of pending.whiteouts) dropIdleWhiteout(root, below, path);
    for (const path of pending.implicitDirs) takeAttributes(root, below, path);
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/** Opens a directory of this layer by the name a tar gave it: links in the layer count, as they did when it was unpacked. */
function withDirectory(root: number, path: string, action: (fd: number, realPath: string) => void): void {
  const fd = openInRoot(root, Buffer.from(path, 'latin1'), 'look');
  if (fd === undefined) return;
  try {
    if (statSync(procPath(fd)).isDirectory()) action(fd, realPathInRoot(root, fd));
  } finally {
    closeSync(fd);
  }
}

function dropIdleWhiteout(root: number, lowers: readonly number[], path: string): void {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  withDirectory(root, path.slice(0, Math.max(0, slash)), (directory, realPath) => {
    const covered = covers(root, lowers, realPath === '' ? name : `${realPath}/${name}`);
    if (covered !== undefined) return closeSync(covered);
    const file = procPath(directory, Buffer.from(name, 'latin1'));
    try {
      if (!isWhiteout(lstatSync(file, { bigint: true }))) return;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return;
      throw error;
    }
    const { mtimeNs } = statSync(procPath(directory, SELF), { bigint: true });
    unlinkSync(file);
    setMtime(procPath(directory, SELF), mtimeNs);
  });
}

function takeAttributes(root: number, lowers: readonly number[], path: string): void {
  withDirectory(root, path, (directory, realPath) => {
    const own = procPath(directory, SELF);
    const covered = realPath === '' ? topRoot(lowers) : covers(root, lowers, realPath);
    try {
      const source = covered === undefined ? undefined : procPath(covered, SELF);
      const found = source && isDirectory(source) ? statSync(source, { bigint: true }) : undefined;
      chownSync(own, Number(found?.uid ?? 0), Number(found?.gid ?? 0));
      chmodSync(own, Number(found?.mode ?? 0o755n) & 0o7777);
      if (source && found) copyXattrs(source, own);
      setMtime(own, found?.mtimeNs ?? 0n);
    } finally {
      if (covered !== undefined) closeSync(covered);
    }
  });
}

const covers = (root: number, lowers: readonly number[], path: string): number | undefined =>
  isBelowOpaque(root, path) ? undefined : coveredBy(lowers, path);

/** Of all root directories overlayfs shows the topmost one's attributes. */
const topRoot = (lowers: readonly number[]): number | undefined =>
  lowers[0] === undefined ? undefined : openInRoot(lowers[0], SELF, 'look');

function isDirectory(path: Buffer): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (errnoCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

function copyXattrs(from: Buffer, to: Buffer): void {
  for (const name of listXattrs(from)) {
    if (name.startsWith('trusted.overlay.')) continue;
    const value = getXattr(from, name);
    if (value !== undefined) setXattr(to, name, value);
  }
}
