/** Where a command writes a tar: stdout, if that is no terminal, or a file that appears when it is whole. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { GantryError } from '../core/errors.js';
import { writeError } from '../core/write-error.js';

export type TakeBytes = (bytes: Buffer) => Promise<void> | void;

/** The view that it gets is used again for what follows, so it is copied, or written, before the promise settles. */
export async function toStdout(bytes: Buffer): Promise<void> {
  if (process.stdout.isTTY) {
    throw new GantryError('ERR_INVALID_ARGUMENT', 'refusing to write a tar to a terminal', {
      hint: 'redirect the output to a file or a pipe',
    });
  }
  if (process.stdout.write(Buffer.from(bytes))) return;
  await once(process.stdout, 'drain').catch((cause) => {
    throw writeError(cause);
  });
}

/** Calls `write` with what takes the bytes. A file that it does not complete is not there, or is what it was. */
export async function toFile(path: string, write: (take: TakeBytes) => Promise<void>): Promise<void> {
  const there = statSync(path, { throwIfNoEntry: false });
  // A rename would put a file in a device's place.
  if (there !== undefined && !there.isFile()) {
    const message = `invalid output path: ${JSON.stringify(path)} must be a regular file`;
    throw new GantryError('ERR_INVALID_ARGUMENT', message);
  }
  const tmp = join(dirname(path), `.gantry-${randomBytes(6).toString('hex')}-${basename(path)}`);
  const fd = openSync(tmp, 'wx', 0o600);
  let whole = false;
  try {
    await write((bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    });
    renameSync(tmp, path);
    whole = true;
  } finally {
    closeSync(fd);
    if (!whole) rmSync(tmp, { force: true });
  }
}
