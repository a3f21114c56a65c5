/**
 * Node's own zlib, for a host whose C libraries cannot be loaded, through minizlib, which makes it synchronous. It
 * reads gzip members in a row and ignores zero padding; with Node 22.15 and later it decodes zstd too.
 */
import * as zlib from 'node:zlib';
import { Gunzip, ZstdDecompress } from 'minizlib';
import { corrupt, type Inflater, type OutputTarget, pushBytes } from './inflater.js';

type Format = 'gzip' | 'zstd';

/** True when this Node can decode `format`. */
export const nodeDecodes = (format: Format): boolean =>
  format === 'gzip' || 'createZstdDecompress' in (zlib as object);

export class NodeInflater implements Inflater {
  readonly #format: Format;
  readonly #target: OutputTarget;
  readonly #stream: Gunzip | ZstdDecompress;
  #fill = 0;
  #error: Error | undefined;

  constructor(format: Format, target: OutputTarget) {
    this.#format = format;
    this.#target = target;
    this.#stream = format === 'gzip' ? new Gunzip({}) : new ZstdDecompress({});
    this.#stream.on('data', (bytes: Buffer) => {
      this.#fill = pushBytes(target, bytes, 0, bytes.length, this.#fill);
    });
    this.#stream.on('error', (error: unknown) => {
      this.#error ??= error as Error;
    });
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.#stream.write(Buffer.from(bytes.subarray(start, end)));
    this.#check();
  }

  #check(): void {
    if (this.#error !== undefined) throw corrupt(this.#format, this.#error.message);
  }

  finish(): void {
    this.#stream.end();
    this.#check();
    if (this.#fill > 0) this.#target.commit(this.#fill);
  }

  close(): void {
    this.#stream.close();
  }
}
