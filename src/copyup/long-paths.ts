/**
 * A path in a container may be longer than the kernel takes or tells (PATH_MAX, 4096 bytes): a process makes it by walking
 * down. Nothing is reached by such a path, and that one exists must end nobody else's report.
 */
import { readlinkSync } from 'node:fs';
import { errnoCode } from '../core/errors.js';
import { openInRoot, procPath } from '../core/fsops/in-root.js';

/** As `openInRoot`; undefined also where the path is too long. */
export const openIfShort: typeof openInRoot = (root, path, how) =>
  unlessTooLong(() => openInRoot(root, path, how));

/** Where an open file is on its file system, raw bytes as latin1; undefined where that is too long to be told. */
export const placeOf = (fd: number): string | undefined =>
  unlessTooLong(() => readlinkSync(procPath(fd), 'latin1'));

function unlessTooLong<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (errnoCode(error) === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}
