/**
 * Image configs by id: Docker's imagedb.
 *
 *   imagedb/content/sha256/<image id hex>                 the config, byte for byte; its sha256 is its name
 *   imagedb/metadata/sha256/<image id hex>/parent         "sha256:…", of images that were committed or built here
 *   imagedb/metadata/sha256/<image id hex>/lastUpdated    RFC 3339 time of the last tagging
 *   imagedb/metadata/sha256/<image id hex>/lastUsed       ours: RFC 3339 time of the last pull, or of a container's birth or end
 *   imagedb/metadata/sha256/<image id hex>/manifest       gantry's own: the manifest it was last pulled by, after a line
 *                                                         with its media type; a push of what a registry has stays the same
 *
 * Invariant: `get` never returns bytes whose digest is not the id.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { hexOf, type ImageID, imageIDOf, parseImageID } from '../core/digest/digest.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { inDirectory } from '../core/in-directory.js';
import { type ImageConfig, parseImageConfig } from '../core/oci/image-config.js';

export interface StoredImage {
  readonly id: ImageID;
  readonly bytes: Buffer;
  readonly config: ImageConfig;
  readonly parent?: ImageID;
  readonly lastUpdated?: string;
}

export interface KeptManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface ImageListing {
  readonly images: readonly StoredImage[];
  /** One ERR_STORE_CORRUPT for each image that could not be read. */
  readonly corrupt: readonly GantryError[];
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export class ImageDB {
  readonly #content: string;
  readonly #metadata: string;

  constructor(directory: string) {
    this.#content = join(directory, 'content', 'sha256');
    this.#metadata = join(directory, 'metadata', 'sha256');
  }

  /** Undefined when there is no such image; ERR_STORE_CORRUPT when its file is not the config that it is named for. */
  get(id: ImageID): StoredImage | undefined {
    const file = join(this.#content, hexOf(id));
    const bytes = readIfThere(file);
    if (bytes === undefined) return undefined;
    const found = imageIDOf(bytes);
    if (found !== id) throw corrupt(file, `expected digest ${id}, found ${found}`);
    let config: ImageConfig;
    try {
      config = parseImageConfig(bytes, file);
    } catch (cause) {
      throw corrupt(file, 'not an image config', cause);
    }
    const parent = this.#readMetadata(id, 'parent');
    const lastUpdated = this.#readMetadata(id, 'lastUpdated');
    return {
      id,
      bytes,
      config,
      ...(parent ? { parent: parseImageID(parent, join(this.#metadata, hexOf(id), 'parent')) } : {}),
      ...(lastUpdated ? { lastUpdated } : {}),
    };
  }

  /** True when its config is there, and is what it is named for. */
  has(id: ImageID): boolean {
    const bytes = readIfThere(join(this.#content, hexOf(id)));
    return bytes !== undefined && imageIDOf(bytes) === id;
  }

  /** Stores a config as it was received; the id is the digest of its bytes. Storing it twice changes nothing. */
  put(bytes: Uint8Array): ImageID {
    const id = imageIDOf(bytes);
    parseImageConfig(bytes, `config ${id}`);
    mkdirSync(this.#content, { recursive: true, mode: 0o700 });
    mkdirSync(this.#metadata, { recursive: true, mode: 0o700 });
    writeFileAtomic(join(this.#content, hexOf(id)), bytes);
    return id;
  }

  list(): ImageID[] {
    try {
      return readdirSync(this.#content)
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .sort()
        .map((name) => parseImageID(`sha256:${name}`));
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Every readable image; a damaged one is reported and does not hide the others. */
  all(): ImageListing {
    const images: StoredImage[] = [];
    const damaged: GantryError[] = [];
    for (const id of this.list()) {
      try {
        const image = this.get(id);
        if (image !== undefined) images.push(image);
      } catch (error) {
        if (!(error instanceof GantryError)) throw error;
        damaged.push(error);
      }
    }
    return { images, corrupt: damaged };
  }

  setLastUpdated(id: ImageID, time: Date): void {
    this.#writeMetadata(id, 'lastUpdated', time.toISOString());
  }

  /** Does nothing for an image that is not there: a container may outlive it. */
  setLastUsed(id: ImageID, time: Date): void {
    if (existsSync(join(this.#content, hexOf(id)))) this.#writeMetadata(id, 'lastUsed', time.toISOString());
  }

  /** Milliseconds since the epoch of the last use or tagging; 0 when nobody wrote it down. */
  lastUsed(id: ImageID): number {
    const times = (['lastUsed', 'lastUpdated'] as const).map((key) =>
      Date.parse(this.#readMetadata(id, key) ?? ''),
    );
    return Math.max(0, ...times.filter((time) => !Number.isNaN(time)));
  }

  setParent(id: ImageID, parent: ImageID): void {
    this.#writeMetadata(id, 'parent', parent);
  }

  /** The manifest that the image was last pulled by. A hint: nothing checks it. */
  manifest(id: ImageID): KeptManifest | undefined {
    const kept = readIfThere(join(this.#metadata, hexOf(id), 'manifest'));
    const line = kept?.indexOf('\n') ?? -1;
    if (kept === undefined || line < 0) return undefined;
    return { mediaType: kept.toString('utf8', 0, line), bytes: kept.subarray(line + 1) };
  }

  setManifest(id: ImageID, { mediaType, bytes }: KeptManifest): void {
    this.#writeMetadata(id, 'manifest', Buffer.concat([Buffer.from(`${mediaType}\n`), bytes]));
  }

  /** Metadata first, so that a kill in between leaves a whole image. */
  delete(id: ImageID): void {
    rmSync(join(this.#metadata, hexOf(id)), { recursive: true, force: true });
    try {
      unlinkSync(join(this.#content, hexOf(id)));
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
  }

  #readMetadata(id: ImageID, key: 'parent' | 'lastUpdated' | 'lastUsed'): string | undefined {
    return readIfThere(join(this.#metadata, hexOf(id), key))
      ?.toString()
      .trim();
  }

  #writeMetadata(
    id: ImageID,
    key: 'parent' | 'lastUpdated' | 'lastUsed' | 'manifest',
    value: string | Uint8Array,
  ): void {
    const directory = join(this.#metadata, hexOf(id));
    inDirectory(directory, 0o700, () => writeFileAtomic(join(directory, key), value));
  }
}

function corrupt(file: string, what: string, cause?: unknown): GantryError {
  return new GantryError(
    'ERR_STORE_CORRUPT',
    `image config ${file}: ${what}`,
    { file, hint: `remove ${file} and pull the image again` },
    { cause },
  );
}
