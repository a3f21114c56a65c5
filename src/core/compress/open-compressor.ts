/** A compressor for what was asked for. */
import { availableParallelism } from 'node:os';
import { unreachable } from '../errors.js';
import type { CompressionSpec } from './compression-spec.js';
import { BlockCompressor, type ByteOutput, type Compressor, Uncompressed } from './compressor.js';

/** Blocks that are under way for one stream; each has megabytes of memory. */
const MAX_WIDTH = 9;

/** ERR_UNSUPPORTED when the host lacks the library. */
export async function openCompressor(
  { format, level }: CompressionSpec,
  output: ByteOutput,
): Promise<Compressor> {
  // One is filled while the others are compressed.
  const width = Math.min(MAX_WIDTH, availableParallelism() + 1);
  switch (format) {
    case 'none':
      return new Uncompressed(output);
    case 'gzip':
      return new BlockCompressor((await import('./gzip-blocks.js')).gzipFormat(level), width, output);
    case 'zstd':
      return new BlockCompressor((await import('./zstd-frames.js')).zstdFormat(level), width, output);
    case 'lz4':
      return new BlockCompressor(await (await import('./lz4-frames.js')).lz4Format(), width, output);
    default:
      return unreachable(format);
  }
}
