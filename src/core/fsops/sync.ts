/** syncfs(2): writes back the one file system that holds a path. */
import { closeSync, openSync } from 'node:fs';
import { bind, check } from './libc.js';

const syncfs = bind<(fd: number) => number>('int syncfs(int)');

/** Blocks until all data of the file system under `path` is on disk. Throws ERR_SYSCALL (EIO after a write error). */
export function syncFileSystem(path: string): void {
  const fd = openSync(path, 'r');
  try {
    check(syncfs(fd), 'syncfs', path);
  } finally {
    closeSync(fd);
  }
}
