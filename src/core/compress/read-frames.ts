/** Any part of what the frames of a file hold: those that hold some of it are decoded, and nothing before them. */
import { readSync } from 'node:fs';
import { GantryError } from '../errors.js';
import { fixedBuffer } from '../ffi.js';
import type { Decompressors } from './backends.js';
import { type FrameMap, framesOf } from './frame-map.js';
import { corrupt } from './inflater.js';

export interface ReadFramesOptions {
  readonly fd: number;
  readonly map: FrameMap;
  /** Of what the frames hold. */
  readonly offset: number;
  readonly size: number;
  readonly decompressors: Decompressors;
  /** For compressed bytes; it lies in an ArrayBuffer of its own. */
  readonly buffer: Uint8Array;
  /** Gets the bytes as ranges of one fixed buffer, which is used again on return. */
  readonly sink: (bytes: Uint8Array, start: number, end: number) => void;
}

const REGION_BYTES = 256 * 1024;

/** Throws what the sink throws, ERR_LAYER_INVALID for what does not hold what it says, ERR_SIZE_MISMATCH. */
export function readFrames({ fd, map, offset, size, decompressors, buffer, sink }: ReadFramesOptions): void {
  const { compression, frames } = framesOf(map, offset, size);
  const region = fixedBuffer(Math.min(REGION_BYTES, frames.at(-1)?.length ?? 0));
  const held = frames.reduce((sum, { length }) => sum + length, 0);
  let at = frames[0]?.start ?? offset;
  let left = held;
  const commit = (length: number): void => {
    left -= length;
    if (left < 0) throw corrupt(compression, `a frame of more bytes than the ${held} that its header says`);
    const from = Math.max(0, offset - at);
    const to = Math.min(length, offset + size - at);
    at += length;
    if (from < to) sink(region, from, to);
  };
  if (held === 0) return;
  const inflater = decompressors.create(compression, { acquire: () => region, commit });
  try {
    for (const frame of frames) {
      for (let done = 0; done < frame.size; ) {
        const wanted = Math.min(buffer.length, frame.size - done);
        const count = readSync(fd, buffer, 0, wanted, frame.offset + done);
        if (count === 0) throw new GantryError('ERR_SIZE_MISMATCH', 'archive: shorter than it was');
        inflater.write(buffer, 0, count);
        done += count;
      }
    }
    inflater.finish();
  } finally {
    inflater.close();
  }
  if (left > 0) throw corrupt(compression, `${held - left} bytes, expected the ${held} that its headers say`);
}
