/** What a failed write of an archive or a blob is called. */
import { errnoCode, GantryError } from './errors.js';

/** ERR_NO_SPACE or ERR_SYSCALL with the errno; a GantryError stays as it is. */
export function writeError(cause: unknown): unknown {
  const errno = errnoCode(cause);
  if (cause instanceof GantryError || errno === undefined) return cause;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const hint = 'free disk space or inodes, or write to another file system';
    return new GantryError('ERR_NO_SPACE', `write: ${errno}`, { errno, hint }, { cause });
  }
  const what = errno === 'EPIPE' ? 'broken pipe: the reader went away before the end' : errno;
  return new GantryError('ERR_SYSCALL', `write: ${what}`, { errno }, { cause });
}
