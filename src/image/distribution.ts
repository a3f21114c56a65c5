/**
 * What a registry calls a layer: blob digest to diffID, and back. A pull records it, so that a push, dockerd's too,
 * finds where a layer came from. Docker's files:
 *
 *   distribution/diffid-by-digest/sha256/<blob hex>      sha256:<diffID>
 *   distribution/v2metadata-by-diffid/sha256/<diff hex>  [{"Digest":"sha256:…","SourceRepository":"docker.io/library/redis","HMAC":""}]
 *
 * These are hints, so a damaged file reads as absent and is replaced.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { writeFileAtomic } from '../core/atomic.js';
import {
  algorithmOf,
  type DiffID,
  type Digest,
  hexOf,
  parseDiffID,
  parseDigest,
} from '../core/digest/digest.js';

export interface LayerSource {
  readonly digest: Digest;
  /** Canonical name: "docker.io/library/redis". */
  readonly sourceRepository: string;
}

/** Docker keeps as many for a layer, the newest last. */
const MAX_SOURCES = 50;

const sourcesSchema = v.array(
  v.object({ Digest: v.string(), SourceRepository: v.string(), HMAC: v.optional(v.string(), '') }),
);
type Sources = v.InferOutput<typeof sourcesSchema>;

export class DistributionMaps {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  diffIDOf(blob: Digest): DiffID | undefined {
    try {
      return parseDiffID(readFileSync(this.#path('diffid-by-digest', blob), 'utf8').trim());
    } catch {
      return undefined;
    }
  }

  sourcesOf(diffID: DiffID): LayerSource[] {
    return this.#sources(diffID).map((source) => ({
      digest: source.Digest as Digest,
      sourceRepository: source.SourceRepository,
    }));
  }

  /** Two pulls at once may lose one of their two sources of a layer; the next pull records it again. */
  record(diffID: DiffID, source: LayerSource): void {
    const entry = { Digest: source.digest, SourceRepository: source.sourceRepository, HMAC: '' };
    const others = this.#sources(diffID).filter(
      (other) =>
        other.Digest !== entry.Digest ||
        other.SourceRepository !== entry.SourceRepository ||
        other.HMAC !== '',
    );
    this.#write('v2metadata-by-diffid', diffID, JSON.stringify([...others, entry].slice(-MAX_SOURCES)));
    this.#write('diffid-by-digest', source.digest, diffID);
  }

  /** Forgets a layer and the blobs that were recorded for it. */
  remove(diffID: DiffID): void {
    for (const { digest } of this.sourcesOf(diffID)) {
      if (this.diffIDOf(digest) === diffID) rmSync(this.#path('diffid-by-digest', digest), { force: true });
    }
    rmSync(this.#path('v2metadata-by-diffid', diffID), { force: true });
  }

  /** Files that are not what they should be, relative to this directory. */
  damaged(): string[] {
    return (['diffid-by-digest', 'v2metadata-by-diffid'] as const).flatMap((map) =>
      (['sha256', 'sha512'] as const).flatMap((algorithm) =>
        namesIn(join(this.#directory, map, algorithm))
          .filter((hex) => !this.#isSound(map, `${algorithm}:${hex}`))
          .map((hex) => join(map, algorithm, hex)),
      ),
    );
  }

  #isSound(map: 'diffid-by-digest' | 'v2metadata-by-diffid', key: string): boolean {
    try {
      if (map === 'diffid-by-digest') return this.diffIDOf(parseDigest(key)) !== undefined;
      return this.#sources(parseDiffID(key)).length > 0;
    } catch {
      return false;
    }
  }

  #sources(diffID: DiffID): Sources {
    try {
      const text = readFileSync(this.#path('v2metadata-by-diffid', diffID), 'utf8');
      const sources = v.parse(sourcesSchema, JSON.parse(text));
      for (const source of sources) parseDigest(source.Digest);
      return sources;
    } catch {
      return [];
    }
  }

  #path(map: 'diffid-by-digest' | 'v2metadata-by-diffid', key: Digest | DiffID): string {
    return join(this.#directory, map, algorithmOf(key), hexOf(key));
  }

  #write(map: 'diffid-by-digest' | 'v2metadata-by-diffid', key: Digest | DiffID, text: string): void {
    const path = this.#path(map, key);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileAtomic(path, text, { mode: 0o644 });
  }
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}
