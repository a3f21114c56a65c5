/**
 * repositories.json: which reference names which image. Docker's file, as Go's encoder writes it: one line, keys in
 * byte order, no newline at the end.
 *
 *   {"Repositories":{"redis":{"redis:latest":"sha256:<image id>","redis@sha256:<digest>":"sha256:<image id>"}}}
 *
 * Keys are familiar forms ("redis", not "docker.io/library/redis"). Invariant: a change is made under a lock of its
 * own, on what is on disk at that moment, and is durable when `update` returns.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { writeFileAtomic } from '../core/atomic.js';
import { type ImageID, parseImageID } from '../core/digest/digest.js';
import { errnoCode, GantryError } from '../core/errors.js';

export interface TagEntry {
  /** Familiar name: "redis", "quay.io/a/b". */
  readonly repository: string;
  /** Familiar string: "redis:latest" or "redis@sha256:…". */
  readonly reference: string;
  readonly imageID: ImageID;
}

export interface TagChanges {
  readonly set?: readonly { readonly reference: string; readonly imageID: ImageID }[];
  readonly remove?: readonly string[];
}

export interface TagUpdate {
  /** Entries that are gone, and entries as they were before they were pointed at another image. */
  readonly removed: readonly TagEntry[];
  readonly replaced: readonly TagEntry[];
}

const schema = v.object({
  Repositories: v.nullish(v.record(v.string(), v.nullish(v.record(v.string(), v.string())))),
});

/** "localhost:5000/a/b:tag" or "a@sha256:…" to its repository. Throws ERR_INVALID_REFERENCE without tag and digest. */
export function repositoryOf(reference: string): string {
  const at = reference.indexOf('@');
  const colon = reference.lastIndexOf(':');
  const end = at >= 0 ? at : colon > reference.lastIndexOf('/') ? colon : -1;
  if (end <= 0) {
    throw new GantryError(
      'ERR_INVALID_REFERENCE',
      `expected a reference with a tag or a digest, found ${JSON.stringify(reference)}`,
    );
  }
  return reference.slice(0, end);
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const compare = (a: TagEntry, b: TagEntry): number =>
  byBytes(a.repository, b.repository) || byBytes(a.reference, b.reference);

export class TagStore {
  readonly #file: string;
  readonly #lockFile: string;

  constructor(file: string, lockFile: string) {
    this.#file = file;
    this.#lockFile = lockFile;
  }

  /** In the order of the file: by repository, then by reference. Throws ERR_STORE_CORRUPT. */
  all(): TagEntry[] {
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
    try {
      const { Repositories } = v.parse(schema, JSON.parse(text));
      const entries: TagEntry[] = [];
      for (const [repository, references] of Object.entries(Repositories ?? {})) {
        for (const [reference, id] of Object.entries(references ?? {})) {
          entries.push({ repository, reference, imageID: parseImageID(id, reference) });
        }
      }
      return entries.sort(compare);
    } catch (cause) {
      throw new GantryError(
        'ERR_STORE_CORRUPT',
        `${this.#file}: expected Docker's repositories, found ${JSON.stringify(text.slice(0, 80))}`,
        {
          file: this.#file,
          hint: `move ${this.#file} away: the images stay and can be tagged again by their ids, or pulled`,
        },
        { cause },
      );
    }
  }

  get(reference: string): ImageID | undefined {
    return this.all().find((entry) => entry.reference === reference)?.imageID;
  }

  /** The entries that name an image. */
  of(imageID: ImageID): TagEntry[] {
    return this.all().filter((entry) => entry.imageID === imageID);
  }

  /** Applies removals, then settings. Nothing is written when nothing changes. */
  async update(changes: TagChanges, options: { readonly signal?: AbortSignal } = {}): Promise<TagUpdate> {
    const set = (changes.set ?? []).map((entry) => ({
      ...entry,
      repository: repositoryOf(entry.reference),
    }));
    mkdirSync(dirname(this.#lockFile), { recursive: true, mode: 0o700 });
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const { lock } = await import('../core/lock.js');
    const held = await lock(this.#lockFile, options);
    try {
      const before = this.all();
      const entries = new Map(before.map((entry) => [entry.reference, entry]));
      for (const reference of changes.remove ?? []) entries.delete(reference);
      for (const entry of set) entries.set(entry.reference, entry);
      const removed = before.filter((entry) => !entries.has(entry.reference));
      const replaced = before.filter(
        (entry) => (entries.get(entry.reference)?.imageID ?? entry.imageID) !== entry.imageID,
      );
      if (removed.length > 0 || replaced.length > 0 || entries.size !== before.length) {
        writeFileAtomic(this.#file, encode([...entries.values()]), { sync: true });
      }
      return { removed, replaced };
    } finally {
      held.release();
    }
  }
}

/** JSON.stringify would put keys that look like integers first, so the two levels are written by hand. */
function encode(entries: readonly TagEntry[]): string {
  const repositories = new Map<string, string[]>();
  for (const { repository, reference, imageID } of [...entries].sort(compare)) {
    const members = repositories.get(repository) ?? [];
    members.push(`${JSON.stringify(reference)}:${JSON.stringify(imageID)}`);
    repositories.set(repository, members);
  }
  const body = [...repositories].map(([name, members]) => `${JSON.stringify(name)}:{${members.join(',')}}`);
  return `{"Repositories":{${body.join(',')}}}`;
}
