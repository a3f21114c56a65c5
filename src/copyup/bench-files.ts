/**
 * Files for measuring copy-up: a file is copied up once, so each sample takes one that was not touched yet, and a new
 * upper directory over the same lower one when all are used up.
 *
 *   <dir>/l1/f0 … f31     the lowest layer; l0 … above it are empty     <dir>/u0, u1, …   uppers
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setXattr } from '../core/fsops/xattr.js';
import { type ScratchOptions, type ScratchOverlay, scratchOverlay } from './scratch-overlay.js';

const KiB = 1024;
const MiB = 1024 * KiB;

export interface LowerFiles {
  readonly directory: string;
  /** Topmost first; the files are in the last. */
  readonly lowers: readonly string[];
  readonly names: readonly string[];
  readonly bytes: number;
}

export interface LowerOptions {
  readonly bytes: number;
  readonly depth?: number;
  readonly xattrs?: number;
  readonly count?: number;
}

/** Small ones are many, so that a mount serves many samples. */
const countFor = (bytes: number): number => (bytes <= 64 * KiB ? 32 : bytes <= MiB ? 8 : 1);

/** Writes the files, and syncs them: later writeback would fall into somebody's sample. */
export function makeLowerFiles(directory: string, options: LowerOptions): LowerFiles {
  const { bytes, depth = 1, xattrs = 0, count = countFor(bytes) } = options;
  const lowers = Array.from({ length: depth }, (_, at) => `l${at}`);
  for (const lower of lowers) mkdirSync(join(directory, lower), { recursive: true });
  const names = Array.from({ length: count }, (_, at) => `f${at}`);
  const piece = Buffer.alloc(Math.min(bytes, 4 * MiB), 'what a layer holds ');
  for (const name of names) {
    const path = join(directory, lowers.at(-1)!, name);
    const fd = openSync(path, 'w');
    for (let at = 0; at < bytes; at += piece.length) writeSync(fd, piece);
    fsyncSync(fd);
    closeSync(fd);
    for (let at = 0; at < xattrs; at++) setXattr(path, `user.gantry.${at}`, piece.subarray(0, 32));
  }
  return { directory, lowers, names, bytes };
}

export class FreshFiles {
  readonly #files: LowerFiles;
  readonly #options: Pick<ScratchOptions, 'metacopy' | 'volatile'>;
  readonly #label: string;
  #overlay: ScratchOverlay | undefined;
  #mounts = 0;
  #used = 0;

  constructor(files: LowerFiles, label: string, options: Pick<ScratchOptions, 'metacopy' | 'volatile'> = {}) {
    this.#files = files;
    this.#label = label;
    this.#options = options;
  }

  /** A path in the merged view that nobody has opened. */
  next(): string {
    if (this.#overlay === undefined || this.#used === this.#files.names.length) this.renew();
    return join(this.#overlay!.path, this.#files.names[this.#used++]!);
  }

  /** The merged view anew, with nothing copied up. */
  renew(): ScratchOverlay {
    this.close();
    const { directory, lowers } = this.#files;
    const upper = `${this.#label}-${this.#mounts++}`;
    this.#overlay = scratchOverlay({ directory, lowers, upper, ...this.#options });
    this.#used = 0;
    return this.#overlay;
  }

  /** The copies of big files are removed; inodes of many small ones, freed now, would slow the next samples on ext4. */
  close(): void {
    if (this.#overlay === undefined) return;
    this.#overlay.close();
    if (this.#files.bytes >= MiB) rmSync(this.#overlay.upper, { recursive: true, force: true });
    this.#overlay = undefined;
  }
}
