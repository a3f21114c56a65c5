/**
 * Where the frames of an lz4 or zstd file lie and what they hold, read from their headers alone, so that any part of
 * what is compressed can be had without what is before it:
 *
 *   lz4 (lz4_Frame_format.md)  magic 04224d18, FLG, BD, content size 8, header checksum; blocks: size 4, bytes, checksum;
 *                              0000_0000; content checksum
 *   zstd (RFC 8878)            magic 28b52ffd, FHD, window, dictionary, content size; blocks: header 3, bytes; checksum
 *   either                     magic 5?2a4d18, size 4: to be skipped
 *
 * There is no map of frames that do not tell what they hold, or hold much: `lz4 <big.tar` is one. What a header says
 * is a claim until the frame is decoded.
 */
import { readSync } from 'node:fs';
import { GantryError } from '../errors.js';
import { inflatedLimit } from '../limits.js';
import { sniffCompression } from './inflater.js';

export interface Frame {
  /** In the file. */
  readonly offset: number;
  readonly size: number;
  /** Of what it holds, in what all hold. */
  readonly start: number;
  readonly length: number;
}

export interface FrameMap {
  readonly compression: 'lz4' | 'zstd';
  /** In a row and without gaps in `start`. */
  readonly frames: readonly Frame[];
}

/** A part of a frame costs as much as all of it. */
const MOST_HELD = 16 * 1024 * 1024;
/** A map of more takes more memory than what it saves; layers of 127 images have fewer. */
const MOST_FRAMES = 1_000_000;
/** The longest header is zstd's of 18 bytes, lz4's of 19. */
export const FRAME_HEAD_BYTES = 19;

interface Head {
  readonly size: number;
  /** What the frame holds. */
  readonly length: number;
  /** Bytes after the last block. */
  readonly tail: number;
  /** The size of the block whose header is `bytes`, with its header and checksum; `last` ends the frame. */
  block(bytes: Buffer): { readonly size: number; readonly last: boolean };
}

/** Whether a file that begins so may have a map. */
export function beginsWithFrame(bytes: Buffer): boolean {
  const head = headOf(bytes);
  return head !== undefined && head.length <= MOST_HELD;
}

/** Undefined where there is none, also for a damaged file. ERR_LAYER_TOO_LARGE when frames hold more than is allowed. */
export function mapFrames(fd: number, size: number): FrameMap | undefined {
  const compression = sniffCompression(read(fd, 0, FRAME_HEAD_BYTES));
  if (compression !== 'lz4' && compression !== 'zstd') return undefined;
  const frames: Frame[] = [];
  let start = 0;
  for (let offset = 0; offset < size; ) {
    const bytes = read(fd, offset, FRAME_HEAD_BYTES);
    const skipped = skippable(bytes);
    if (skipped !== undefined) {
      offset += skipped;
      continue;
    }
    const head = sniffCompression(bytes) === compression ? headOf(bytes) : undefined;
    const end = head && endOf(fd, offset, size, head);
    if (head === undefined || end === undefined || head.length > MOST_HELD) return undefined;
    if (frames.length === MOST_FRAMES) return undefined;
    if (head.length > 0) frames.push({ offset, size: end - offset, start, length: head.length });
    start += head.length;
    offset = end;
  }
  if (start > inflatedLimit(size)) {
    const message = `archive: ${size} bytes inflate to ${start}, expected at most ${inflatedLimit(size)}`;
    throw new GantryError('ERR_LAYER_TOO_LARGE', message);
  }
  return { compression, frames };
}

/** The frames that hold some of [offset, offset + size). */
export function framesOf({ compression, frames }: FrameMap, offset: number, size: number): FrameMap {
  const first = frames.findIndex(({ start, length }) => start + length > offset);
  const after = frames.findIndex(({ start }) => start >= offset + size);
  const some = first === -1 ? [] : frames.slice(first, after === -1 ? undefined : after);
  return { compression, frames: some };
}

function endOf(fd: number, offset: number, size: number, head: Head): number | undefined {
  for (let at = offset + head.size; at < size; ) {
    const bytes = read(fd, at, 4);
    if (bytes.length < 3) return undefined;
    const block = head.block(bytes);
    at += block.size;
    if (!block.last) continue;
    const end = at + head.tail;
    return end <= size ? end : undefined;
  }
  return undefined;
}

function skippable(bytes: Buffer): number | undefined {
  if (bytes.length < 8 || (bytes.readUInt32LE(0) & 0xfffffff0) >>> 0 !== 0x184d2a50) return undefined;
  return 8 + bytes.readUInt32LE(4);
}

function headOf(bytes: Buffer): Head | undefined {
  if (bytes.length < 8) return undefined;
  switch (sniffCompression(bytes)) {
    case 'lz4':
      return lz4Head(bytes);
    case 'zstd':
      return zstdHead(bytes);
    default:
      return undefined;
  }
}

function lz4Head(bytes: Buffer): Head | undefined {
  const flags = bytes[4]!;
  const dictionary = (flags & 0x01) !== 0;
  const says = (flags & 0x08) !== 0;
  if (flags >> 6 !== 1 || dictionary || !says || bytes.length < 15) return undefined;
  const length = Number(bytes.readBigUInt64LE(6));
  // liblz4 takes 0 for a size that is not told, and checks nothing then.
  if (length === 0) return undefined;
  const checksum = (flags & 0x10) === 0 ? 0 : 4;
  return {
    size: 15,
    length,
    tail: (flags & 0x04) === 0 ? 0 : 4,
    block(header) {
      if (header.length < 4) return { size: header.length, last: false };
      const size = header.readUInt32LE(0);
      return size === 0 ? { size: 4, last: true } : { size: 4 + (size & 0x7fffffff) + checksum, last: false };
    },
  };
}

const RLE = 1;

function zstdHead(bytes: Buffer): Head | undefined {
  const flags = bytes[4]!;
  const single = (flags & 0x20) !== 0;
  const lengthFlag = flags >> 6;
  const lengthBytes = lengthFlag === 0 ? (single ? 1 : 0) : 1 << lengthFlag;
  const at = 5 + (single ? 0 : 1);
  if ((flags & 0x03) !== 0 || lengthBytes === 0 || bytes.length < at + lengthBytes) return undefined;
  const length = lengthBytes === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUIntLE(at, lengthBytes);
  return {
    size: at + lengthBytes,
    length: lengthBytes === 2 ? length + 256 : length,
    tail: (flags & 0x04) === 0 ? 0 : 4,
    block(header) {
      const word = header.readUIntLE(0, 3);
      return { size: 3 + (((word >> 1) & 3) === RLE ? 1 : word >> 3), last: (word & 1) !== 0 };
    },
  };
}

function read(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}
