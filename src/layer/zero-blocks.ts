/** Blocks of zeros in a file's bytes, which need no place on disk. */

/** The block of the file systems that layers lie on. */
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

/**
 * Tells of each stretch of bytes[start, end), which lie at `offset` in their file, between those that are zeros: whole
 * blocks, and what the range has of the blocks at its two ends.
 */
export function eachDataRun(
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
  take: (from: number, to: number) => void,
): void {
  let from = start;
  for (let at = start; at < end; ) {
    const next = Math.min(end, at + BLOCK - ((offset + at - start) % BLOCK));
    if (isZero(bytes, at, next)) {
      if (from < at) take(from, at);
      from = next;
    }
    at = next;
  }
  if (from < end) take(from, end);
}

/** Its first byte tells most blocks of data without a call. */
const isZero = (bytes: Uint8Array, from: number, to: number): boolean =>
  bytes[from] === 0 && ZEROS.compare(bytes, from, to, 0, to - from) === 0;
