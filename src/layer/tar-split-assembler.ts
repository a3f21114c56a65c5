/**
 * A layer's tar again, byte for byte, from its files and its tar-split: what save and push send, and how a layer is
 * checked. Each file's size and CRC-64 are compared while it is read, so a changed file is an error, not a wrong tar.
 *
 * Invariant: only regular files inside the layer's directory are opened, whatever the names and links in it say.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Crc64 } from '../core/digest/crc64.js';
import { GantryError } from '../core/errors.js';
import { at } from '../core/fsops/at.js';
import { openInRoot } from '../core/fsops/in-root.js';
import { pathInRoot } from './entry-path.js';
import { readTarSplit, type TarSplitEntry } from './tar-split-reader.js';

export interface AssembleOptions {
  readonly tarSplit: string;
  /** The directory of the layer's files. */
  readonly files: string;
  readonly crc: Crc64;
  /** Gets the tar's bytes in order. The view is used again afterwards: done with it on return, or when the promise resolves. */
  readonly sink: (bytes: Uint8Array) => void | Promise<void>;
}

/** Fewer, larger reads than the page cache needs; fits in the second-level cache of a core. */
const BUFFER_BYTES = 256 * 1024;

/**
 * Returns the size of the tar. ERR_STORE_CORRUPT names the first file that is missing, or differs in size or
 * checksum.
 */
export async function assembleTar(options: AssembleOptions): Promise<number> {
  const root = openSync(options.files, constants.O_RDONLY | constants.O_DIRECTORY);
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let total = 0;
  try {
    for await (const entry of readTarSplit(options.tarSplit)) {
      if (entry.type === 'segment') {
        await options.sink(entry.bytes);
        total += entry.bytes.length;
      } else if (entry.size > 0) {
        await copyFile(options, root, entry, buffer);
        total += entry.size;
      }
    }
  } finally {
    closeSync(root);
  }
  return total;
}

async function copyFile(
  { crc, sink, files }: AssembleOptions,
  root: number,
  entry: Extract<TarSplitEntry, { type: 'file' }>,
  buffer: Buffer,
): Promise<void> {
  const fail = (what: string): GantryError =>
    new GantryError('ERR_STORE_CORRUPT', `${files}/${entry.name.toString()}: ${what}`, {
      file: entry.name.toString(),
      hint: 'pull the image again',
    });
  // Where it was unpacked: `a/../b` is b, also when there is no a.
  const path = Buffer.from(pathInRoot(entry.name.toString('latin1')), 'latin1');
  const fd = openInRoot(root, path, 'read');
  if (fd === undefined) throw fail(`expected a file of ${entry.size} bytes, found none`);
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.size !== entry.size) {
      throw fail(
        `expected a file of ${entry.size} bytes, found ${found.size}${found.isFile() ? '' : ', not a file'}`,
      );
    }
    crc.reset();
    for (let left = entry.size; left > 0; ) {
      const got = readSync(fd, buffer, 0, Math.min(left, buffer.length), null);
      if (got === 0) throw fail(`expected ${left} more bytes, found the end`);
      crc.update(buffer, 0, got);
      const pending = sink(buffer.subarray(0, got));
      if (pending !== undefined) await pending;
      left -= got;
    }
    const sum = crc.digest();
    if (!entry.crc?.equals(sum)) {
      throw fail(`expected CRC-64 ${entry.crc?.toString('hex')}, found ${sum.toString('hex')}`);
    }
  } finally {
    at.close(fd); // Node's own close warns in a thread of what that thread did not open through Node
  }
}
