/** An archive compressed as a whole whose frames are mapped: read where it lies, each member from its own frames. */
import { closeSync, openSync } from 'node:fs';
import type { Decompressors } from '../core/compress/backends.js';
import { type FrameMap, framesOf } from '../core/compress/frame-map.js';
import { readFrames } from '../core/compress/read-frames.js';
import { fixedBuffer } from '../core/ffi.js';
import { archiveName, checkDocument, type FileRange, type LayoutArchive } from './layout-archive.js';
import { indexTar, memberName } from './tar-index.js';

const BUFFER_BYTES = 64 * 1024;

/** Throws ERR_INVALID_ARGUMENT for what holds no tar, ERR_LAYER_INVALID for damaged frames. */
export function openFramedArchive(path: string, map: FrameMap, decompressors: Decompressors): LayoutArchive {
  const buffer = fixedBuffer(BUFFER_BYTES);
  const bytesAt = (offset: number, size: number): Buffer => {
    const parts: Buffer[] = [];
    const sink = (bytes: Uint8Array, start: number, end: number): void =>
      void parts.push(Buffer.from(bytes.subarray(start, end)));
    const fd = openSync(path, 'r');
    try {
      readFrames({ fd, map, offset, size, decompressors, buffer, sink });
      return Buffer.concat(parts);
    } finally {
      closeSync(fd);
    }
  };
  const last = map.frames.at(-1);
  const index = indexTar({ path, size: last === undefined ? 0 : last.start + last.length, read: bytesAt });
  return {
    path,
    name: archiveName(path),
    file(member): FileRange | undefined {
      const extent = index.get(memberName(member) ?? '');
      return extent && { path, ...extent, frames: framesOf(map, extent.offset, extent.size) };
    },
    read(range, limit) {
      checkDocument(range, limit);
      return bytesAt(range.offset, range.size);
    },
  };
}
