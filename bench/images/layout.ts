/**
 * Writes an image as an OCI layout (image-spec image-layout.md), its layers compressed two at a time:
 *
 *   <dir>/oci-layout   <dir>/index.json (ref.name "latest")   <dir>/blobs/sha256/<hex>
 */
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex, PassThrough, Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { ContainerConfig } from '../../src/core/oci/image-config.js';
import { LAYER_TYPE, type LayerCompression, MEDIA_TYPE } from '../../src/core/oci/media-types.js';

/** One time for all, so that the same packages give the same digests. */
export const CREATED = '2025-01-01T00:00:00Z';

export interface LayerSource {
  readonly createdBy: string;
  /** A directory (packed by GNU tar: sorted, numeric owners, xattrs) or a tar. */
  readonly from: string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  readonly compression?: LayerCompression;
  /** Starts a new gzip member after this many bytes of tar. */
  readonly gzipMember?: number;
}

export interface ImageSource {
  readonly dir: string;
  readonly tag?: string;
  readonly config?: ContainerConfig;
  readonly layers: readonly LayerSource[];
}

export interface BuiltLayer {
  readonly mediaType: string;
  readonly digest: string;
  readonly diffID: string;
  readonly size: number;
  readonly tarSize: number;
}

export interface BuiltImage {
  readonly dir: string;
  readonly tag: string;
  readonly manifestDigest: string;
  readonly layers: readonly BuiltLayer[];
}

export async function buildImage(source: ImageSource): Promise<BuiltImage> {
  const { dir, tag = 'latest' } = source;
  const blobs = join(dir, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const layers: BuiltLayer[] = [];
  const queue = [...source.layers.entries()];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      layers[next[0]] = await writeLayer(blobs, next[1]);
    }
  };
  await Promise.all([lane(), lane()]);

  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const config = document(blobs, MEDIA_TYPE.ociConfig, {
    created: CREATED,
    architecture,
    os: 'linux',
    config: source.config ?? {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffID) },
    history: source.layers.map((layer) => ({ created: CREATED, created_by: layer.createdBy })),
  });
  const manifest = document(blobs, MEDIA_TYPE.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': tag };
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [{ ...manifest, annotations, platform: { os: 'linux', architecture } }],
  };
  writeFileSync(join(dir, 'index.json'), JSON.stringify(index));
  writeFileSync(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  return { dir, tag, manifestDigest: manifest.digest, layers };
}

function document(blobs: string, mediaType: string, value: unknown) {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

async function writeLayer(blobs: string, layer: LayerSource): Promise<BuiltLayer> {
  const compression = layer.compression ?? 'gzip';
  const temporary = join(blobs, `tmp-${randomUUID()}`);
  const tar = meter();
  const blob = meter();
  const bytes = typeof layer.from === 'string' ? packDirectory(layer.from) : Readable.from(layer.from);
  const compressor = compression === 'gzip' ? gzip(layer.gzipMember) : COMPRESSOR[compression]();
  await pipeline(bytes, tar.stream, compressor, blob.stream, createWriteStream(temporary));
  const [diffID, digest] = [tar.done(), blob.done()];
  renameSync(temporary, join(blobs, digest.hex));
  return {
    mediaType: LAYER_TYPE[compression],
    digest: `sha256:${digest.hex}`,
    diffID: `sha256:${diffID.hex}`,
    size: digest.size,
    tarSize: diffID.size,
  };
}

function meter() {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, done: () => ({ hex: hash.digest('hex'), size }) };
}

const COMPRESSOR: Readonly<Record<'none' | 'zstd', () => Duplex>> = {
  none: () => new PassThrough(),
  zstd: () => {
    const child = spawn('zstd', ['-q', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] });
    return Duplex.from({ writable: child.stdin, readable: child.stdout });
  },
};

/** Level 6, as docker pushes. With `member`, as pigz -i and estargz do: several gzip members, one after another. */
function gzip(
  member: number | undefined,
): Duplex | ((source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>) {
  const level = { level: constants.Z_DEFAULT_COMPRESSION };
  if (member === undefined) return createGzip(level);
  return async function* members(source) {
    const chunks: Buffer[] = [];
    for await (const chunk of source) chunks.push(chunk);
    const tar = Buffer.concat(chunks);
    for (let at = 0; at < tar.length; at += member) {
      yield* Readable.from([tar.subarray(at, at + member)]).pipe(createGzip(level));
    }
  };
}

function packDirectory(dir: string): Readable {
  const flags = ['--sort=name', '--numeric-owner', '--format=pax', '--xattrs', '--xattrs-include=*'];
  const times = ['--pax-option=delete=atime,delete=ctime', '--clamp-mtime', `--mtime=${CREATED}`];
  const child = spawn('tar', [...flags, ...times, '-C', dir, '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.on('exit', (code) => {
    if (code !== 0) child.stdout.destroy(new Error(`tar of ${dir} failed with exit code ${code}`));
  });
  return child.stdout;
}
