/**
 * The compressed bytes of a blob whose download was interrupted (DESIGN §1.1), kept for the next pull:
 *
 *   <root>/gantry/partial/<digest hex>.<start>      bytes [start, EOF) are the blob's, each at its own offset;
 *                                                   before `start` there is a hole
 *
 * Invariant: the name is true at every instant (bytes are appended without a gap; the hole is filled before the
 * file is renamed to start 0), so a kill -9 needs no recovery. Nothing here is trusted: the bytes pass the same
 * hash as those of the network. Losing a partial file costs time only, so a failing write ends the keeping and
 * never the pull. The caller holds the digest's lock.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf } from '../core/digest/digest.js';

const NAME = /^([0-9a-f]{64}|[0-9a-f]{128})\.(\d{1,15})$/;

export class PartialFile {
  readonly #dir: string;
  readonly #digest: Digest;
  #path: string | undefined;
  #fd: number | undefined;
  #start = 0;
  #end = 0;
  #dropped = false;

  /** The partial file of a blob of `size` bytes; files that cannot be a part of it are removed. */
  constructor(dir: string, digest: Digest, size: number) {
    this.#dir = dir;
    this.#digest = digest;
    for (const found of filesOf(dir, hexOf(digest))) {
      if (this.#path !== undefined || found.start >= found.end || found.end > size) {
        rmSync(found.path, { force: true });
      } else {
        this.#path = found.path;
        this.#start = found.start;
        this.#end = found.end;
      }
    }
  }

  /** The bytes that are kept are [start, end) of the blob; start == end when none are. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Reads the bytes at `at` into the beginning of `buffer`; 0 when there are no more. */
  read(buffer: Uint8Array, at: number): number {
    try {
      return readSync(this.#open(), buffer, 0, Math.min(buffer.length, this.#end - at), at);
    } catch {
      this.drop();
      return 0;
    }
  }

  /** Keeps bytes[from, to), the blob's at offset `at`: the first ever, or those at `end`, or some of the hole. */
  write(bytes: Uint8Array, from: number, to: number, at: number): void {
    if (this.#dropped) return;
    try {
      if (this.#path === undefined) this.#create(at);
      const fd = this.#open();
      for (let done = from; done < to; ) done += writeSync(fd, bytes, done, to - done, at + done - from);
      this.#end = Math.max(this.#end, at + to - from);
    } catch {
      this.drop();
    }
  }

  /** The hole is full: the file starts at 0 from now on. */
  fillHole(): void {
    if (this.#path === undefined || this.#start === 0) return;
    try {
      const path = this.#name(0);
      renameSync(this.#path, path);
      this.#path = path;
      this.#start = 0;
    } catch {
      this.drop();
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Forgets and removes the bytes, and keeps none from now on. */
  drop(): void {
    this.close();
    this.#dropped = true;
    this.#start = this.#end = 0;
    if (this.#path !== undefined) rmSync(this.#path, { force: true });
  }

  #create(at: number): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    this.#path = this.#name(at);
    this.#fd = openSync(this.#path, 'wx+', 0o600);
    this.#start = this.#end = at;
  }

  #open(): number {
    this.#fd ??= openSync(this.#path!, 'r+');
    return this.#fd;
  }

  #name(start: number): string {
    return join(this.#dir, `${hexOf(this.#digest)}.${start}`);
  }
}

/** True when bytes of a blob are kept from an earlier pull: if the blob turns out damaged, they may be why. */
export const hasPartial = (dir: string, digest: Digest): boolean => filesOf(dir, hexOf(digest)).length > 0;

/** Removes what is kept of a blob: after its layer is published, or when its bytes turned out wrong. */
export function removePartial(dir: string, digest: Digest): void {
  for (const { path } of filesOf(dir, hexOf(digest))) rmSync(path, { force: true });
}

export interface SweepOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}

/**
 * Removes partial files older than `maxAgeMs` (7 days), then the oldest until the rest takes at most `maxBytes`
 * (10 GiB) on disk. A file in use may go too: its pull goes on without it. Returns how many were removed.
 */
export function sweepPartials(dir: string, o: SweepOptions): number {
  const { now, maxBytes = 10 * 1024 ** 3, maxAgeMs = 7 * 24 * 3600 * 1000 } = o;
  const newestFirst = filesOf(dir).sort((a, b) => b.modified - a.modified);
  let total = 0;
  let removed = 0;
  for (const file of newestFirst) {
    total += file.allocated;
    if (total <= maxBytes && now - file.modified <= maxAgeMs) continue;
    rmSync(file.path, { force: true });
    removed++;
  }
  return removed;
}

interface FoundFile {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  /** Bytes on disk: the hole has none. */
  readonly allocated: number;
  readonly modified: number;
}

function filesOf(dir: string, hex?: string): FoundFile[] {
  const found: FoundFile[] = [];
  for (const name of entries(dir)) {
    const [, owner, start] = NAME.exec(name) ?? [];
    if (owner === undefined || (hex !== undefined && owner !== hex)) continue;
    const path = join(dir, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const { size: end, blocks, mtimeMs } = stat;
    found.push({ path, start: Number(start), end, allocated: blocks * 512, modified: mtimeMs });
  }
  return found;
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return []; // nothing kept yet; and what cannot be read cannot help
  }
}
