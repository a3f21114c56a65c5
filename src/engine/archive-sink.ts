/**
 * Where an archive is written: a tar (file or pipe, compressed as a whole or not) or a directory.
 *
 * In a compressed tar each layer is compressed by itself, by the thread that rebuilds it, and so is what lies between two
 * layers: gzip members, and zstd or lz4 frames, end where a layer ends, and any tool reads them in a row.
 *
 *   frame of headers and documents │ frames of layer 1 │ frame of padding and header │ frames of layer 2 │ …
 */
import { write as writeCallback } from 'node:fs';
import { copyFile, mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CompressionSpec } from '../core/compress/compression-spec.js';
import { openCompressor } from '../core/compress/open-compressor.js';
import { errnoCode } from '../core/errors.js';
import { paddingOf, TAR_END, tarHeader } from '../core/tar/writer.js';
import { writeError } from '../core/write-error.js';

const write = promisify(writeCallback);
const COPY_BYTES = 1024 * 1024;
const FULL_PIPE_MS = 5;

export interface MemberTarget {
  readonly fd: number;
  readonly position?: number;
  /** What the archive as a whole is compressed with. */
  readonly compression: CompressionSpec;
  /** Aborts when the archive is given up. */
  readonly signal: AbortSignal;
}

export interface ArchiveSink {
  document(name: string, bytes: Uint8Array): Promise<void>;
  /** A member of `size` bytes that `write` writes; it may still be at it when this returns, until `finish`. */
  member(name: string, size: number, write: (to: MemberTarget) => Promise<unknown>): Promise<void>;
  /** A member that is a file, which may be taken over; not in a tar that is compressed as a whole. */
  file(name: string, path: string, size: number): Promise<void>;
  finish(): Promise<void>;
  /** Stops and awaits what still writes; after finish or instead of it. */
  close(): Promise<void>;
}

/** Members that are being written: the first that fails ends the others. */
class Running {
  readonly #abort = new AbortController();
  readonly #all: Promise<unknown>[] = [];
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#abort.signal]);
  }

  add(member: Promise<unknown>): void {
    member.catch((error) => this.#abort.abort(error));
    this.#all.push(member);
  }

  /** Throws what the first failed with. */
  async done(): Promise<void> {
    const failed = (await Promise.allSettled(this.#all)).some((result) => result.status === 'rejected');
    if (failed) throw this.#abort.signal.reason;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#all);
  }
}

export interface TarSinkOptions {
  readonly fd: number;
  readonly compression: CompressionSpec;
  /** A regular file: members of known size are then written at the same time. */
  readonly seekable: boolean;
  readonly signal: AbortSignal;
}

export class TarSink implements ArchiveSink {
  readonly #options: TarSinkOptions;
  readonly #parallel: boolean;
  #pending: Uint8Array[] = [];
  #position = 0;
  readonly #running: Running;

  constructor(options: TarSinkOptions) {
    this.#options = options;
    this.#running = new Running(options.signal);
    this.#parallel = options.seekable && options.compression.format === 'none';
  }

  async document(name: string, bytes: Uint8Array): Promise<void> {
    this.#pending.push(header(name, bytes.length), bytes, paddingOf(bytes.length));
  }

  async member(name: string, size: number, write: (to: MemberTarget) => Promise<unknown>): Promise<void> {
    const { fd, compression } = this.#options;
    this.#pending.push(header(name, size));
    await this.#flush();
    const to = { fd, compression, signal: this.#running.signal };
    if (this.#parallel) {
      this.#running.add(write({ ...to, position: this.#position }));
      this.#position += size;
    } else {
      await write(to);
    }
    this.#pending.push(paddingOf(size));
  }

  async file(name: string, path: string, size: number): Promise<void> {
    this.#pending.push(header(name, size));
    await this.#flush();
    const source = await open(path);
    try {
      const chunk = Buffer.allocUnsafeSlow(COPY_BYTES);
      for (let left = size; left > 0; ) {
        const { bytesRead } = await source.read(chunk, 0, Math.min(left, chunk.length));
        await this.#write(chunk.subarray(0, bytesRead));
        left -= bytesRead;
      }
    } finally {
      await source.close();
    }
    this.#pending.push(paddingOf(size));
  }

  async finish(): Promise<void> {
    this.#pending.push(TAR_END);
    await this.#flush();
    await this.#running.done();
  }

  close(): Promise<void> {
    return this.#running.stop();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    const parts: Buffer[] = [];
    const keep = (part: Uint8Array): void => void parts.push(Buffer.from(part));
    const compressor = await openCompressor(this.#options.compression, keep);
    try {
      await compressor.write(bytes);
      await compressor.finish();
    } finally {
      await compressor.close();
    }
    await this.#write(Buffer.concat(parts));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      try {
        const position = this.#parallel ? this.#position : null;
        const { bytesWritten } = await write(this.#options.fd, bytes, at, bytes.length - at, position);
        at += bytesWritten;
        this.#position += bytesWritten;
      } catch (error) {
        if (errnoCode(error) !== 'EAGAIN') throw writeError(error);
        await sleep(FULL_PIPE_MS, undefined, { signal: this.#options.signal });
      }
    }
  }
}

/** No day and no owner: the same images make the same archive. */
const header = (name: string, size: number): Buffer =>
  tarHeader({
    ...{ type: 'file', name, linkname: '', mode: 0o644, uid: 0, gid: 0, size },
    ...{ mtime: 0, mtimeNanos: 0, major: 0, minor: 0, xattrs: undefined },
  });

export class DirectorySink implements ArchiveSink {
  readonly #compression: CompressionSpec = { format: 'none', level: 0 };
  readonly #running: Running;

  constructor(
    readonly directory: string,
    signal: AbortSignal,
  ) {
    this.#running = new Running(signal);
  }

  async document(name: string, bytes: Uint8Array): Promise<void> {
    await writeFile(await this.#path(name), bytes).catch(rethrow);
  }

  async member(name: string, _size: number, write: (to: MemberTarget) => Promise<unknown>): Promise<void> {
    const file = await open(await this.#path(name), 'wx', 0o644);
    const to = { fd: file.fd, compression: this.#compression, signal: this.#running.signal };
    this.#running.add(write(to).finally(() => file.close()));
  }

  async file(name: string, path: string): Promise<void> {
    const target = await this.#path(name);
    try {
      await rename(path, target);
    } catch (error) {
      if (errnoCode(error) !== 'EXDEV') throw writeError(error);
      await copyFile(path, target).catch(rethrow);
    }
  }

  async finish(): Promise<void> {
    await this.#running.done();
  }

  close(): Promise<void> {
    return this.#running.stop();
  }

  async #path(name: string): Promise<string> {
    const path = join(this.directory, name);
    await mkdir(dirname(path), { recursive: true });
    return path;
  }
}

function rethrow(error: unknown): never {
  throw writeError(error);
}
