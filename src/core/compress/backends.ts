/**
 * Which decompressor this host has, chosen once at the start of a thread: for gzip ISA-L, else the system's zlib,
 * else Node's; for zstd libzstd, else Node's where it has it. A foreign one must first decode a known stream of two
 * members, because its struct is addressed by offsets.
 */
import { gzipSync } from 'node:zlib';
import { GantryError } from '../errors.js';
import { fixedBuffer } from '../ffi.js';
import type { Compression } from '../oci/media-types.js';
import { type Inflater, type InflaterBackend, type OutputTarget, pushBytes } from './inflater.js';
import { loadIsal } from './isal.js';
import { loadLz4 } from './lz4.js';
import { type Codec, StreamInflater } from './stream-inflater.js';
import { loadZlib } from './zlib.js';
import { loadZstd } from './zstd.js';

export interface Decompressors {
  readonly gzip: InflaterBackend;
  readonly zstd: InflaterBackend | undefined;
  /** A decompressor that writes to `target`. ERR_UNSUPPORTED when the host has none. */
  create(compression: Compression, target: OutputTarget): Inflater;
}

/** Bytes of an uncompressed layer go on as they are, copied once into the target's regions. */
class Passthrough implements Inflater {
  #fill = 0;
  constructor(readonly target: OutputTarget) {}
  write(bytes: Uint8Array, start: number, end: number): void {
    this.#fill = pushBytes(this.target, bytes, start, end, this.#fill);
  }
  finish(): void {
    if (this.#fill > 0) this.target.commit(this.#fill);
  }
  close(): void {}
}

/** Decodes two gzip members and zero padding in small steps and compares. */
function decodesGzip(make: () => Codec): boolean {
  const text = Buffer.from('gantry checks the layout of a foreign struct before it trusts it. '.repeat(40));
  const stream = Buffer.concat([gzipSync(text), gzipSync(text), Buffer.alloc(3)]);
  const input = fixedBuffer(stream.length);
  input.set(stream);
  const region = fixedBuffer(100);
  const parts: Buffer[] = [];
  const target = {
    acquire: () => region,
    commit: (length: number) => void parts.push(Buffer.from(region.subarray(0, length))),
  };
  try {
    const inflater = new StreamInflater(make(), target);
    for (let at = 0; at < input.length; at += 7) inflater.write(input, at, Math.min(at + 7, input.length));
    inflater.finish();
    inflater.close();
  } catch {
    return false;
  }
  return Buffer.concat(parts).equals(Buffer.concat([text, text]));
}

export interface BackendChoice {
  /** Takes this one for gzip instead of the best; for benches and tests. */
  readonly gzip?: InflaterBackend;
}

/** Looks once at what the host has. Costs about a millisecond. */
export async function chooseDecompressors(choice: BackendChoice = {}): Promise<Decompressors> {
  const gzipMakers: [InflaterBackend, (() => Codec) | undefined][] = [];
  if (choice.gzip === undefined || choice.gzip === 'isa-l') gzipMakers.push(['isa-l', loadIsal()]);
  if (choice.gzip === undefined || choice.gzip === 'zlib') gzipMakers.push(['zlib', loadZlib()]);
  let gzip: InflaterBackend = 'node-zlib';
  let makeGzip: (() => Codec) | undefined;
  for (const [name, make] of gzipMakers) {
    if (make === undefined || !decodesGzip(make)) continue;
    gzip = name;
    makeGzip = make;
    break;
  }
  const makeZstd = loadZstd();
  const makeLz4 = loadLz4();
  const complete = makeGzip !== undefined && makeZstd !== undefined;
  const node = complete ? undefined : await import('./node-zlib.js');
  const zstd = makeZstd !== undefined ? 'libzstd' : node?.nodeDecodes('zstd') ? 'node-zstd' : undefined;
  return {
    gzip,
    zstd,
    create(compression, target) {
      if (compression === 'none') return new Passthrough(target);
      const make = { gzip: makeGzip, zstd: makeZstd, lz4: makeLz4 }[compression];
      if (make !== undefined) return new StreamInflater(make(), target);
      if (compression !== 'lz4' && node?.nodeDecodes(compression)) {
        return new node.NodeInflater(compression, target);
      }
      const [soname, pkg] =
        compression === 'lz4' ? ['liblz4.so.1', 'liblz4-1'] : ['libzstd.so.1', 'libzstd1'];
      throw new GantryError(
        'ERR_UNSUPPORTED',
        `this host cannot decode ${compression} data: ${soname} was not found`,
        { hint: `apt-get install ${pkg}` },
      );
    },
  };
}
