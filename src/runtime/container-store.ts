/**
 * The containers of a store:
 *
 *   <root>/containers/            0710
 *       <id>/                     0710
 *           config.v2.json        0600   the record (container-record.ts), replaced atomically
 *           hostconfig.json       0600   Docker's HostConfig
 *           hostname hosts resolv.conf   0644, bind mounted
 *           mounts/               0700
 *
 * A directory without config.v2.json is a creation that did not finish; no command sees it. Who changes a container
 * holds its lock. A record that cannot be read is passed over by `list` and told by `get`.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic.js';
import { errnoCode, GantryError } from '../core/errors.js';
import { type ContainerID, parseContainerID } from '../core/ids.js';
import { inDirectory } from '../core/in-directory.js';
import { removeTree } from '../core/remove-tree.js';
import { type ContainerRecord, DOCKER_EMPTY, plainName } from './container-record.js';
import type { HostConfig } from './create-request.js';

export class ContainerStore {
  readonly #directory: string;
  readonly #tmp: string;

  constructor(root: string) {
    this.#directory = join(root, 'containers');
    this.#tmp = join(root, 'gantry', 'tmp');
  }

  /** A path of the container's directory. */
  path(id: ContainerID, ...names: string[]): string {
    return join(this.#directory, id, ...names);
  }

  makeDirectory(id: ContainerID): void {
    inDirectory(this.#directory, 0o710, () => mkdirSync(this.path(id), { mode: 0o710 }));
    mkdirSync(this.path(id, 'mounts'), { mode: 0o700 });
  }

  /** Undefined when there is none. ERR_STORE_CORRUPT when its record cannot be read. */
  get(id: ContainerID): ContainerRecord | undefined {
    return this.#read(id, 'config.v2.json') as ContainerRecord | undefined;
  }

  hostConfig(id: ContainerID): HostConfig {
    return (this.#read(id, 'hostconfig.json') ?? {}) as HostConfig;
  }

  /**
   * Synced when a power cut must not lose it. Not so for what ends with the boot ("running"), nor for what need not
   * outlive it (`--rm`): a sync costs 6 ms and more.
   */
  put(record: ContainerRecord, options: { readonly sync: boolean }): void {
    const text = JSON.stringify({ ...DOCKER_EMPTY, ...record });
    writeFileAtomic(this.path(record.ID, 'config.v2.json'), text, options);
  }

  putHostConfig(id: ContainerID, hostConfig: HostConfig, options: { readonly sync: boolean }): void {
    writeFileAtomic(this.path(id, 'hostconfig.json'), JSON.stringify(hostConfig), options);
  }

  /**
   * Every container whose record can be read, newest first. `holds` gets the record's text and passes over those that are not
   * meant: to look for a name in it costs less than to parse all of them.
   */
  list(holds?: (text: string) => boolean): ContainerRecord[] {
    const records = this.#ids().flatMap((id) => {
      try {
        return (this.#read(id, 'config.v2.json', holds) as ContainerRecord | undefined) ?? [];
      } catch {
        return [];
      }
    });
    return records.sort((a, b) => (a.Created < b.Created ? 1 : a.Created > b.Created ? -1 : 0));
  }

  /** Ids of directories without a record. */
  unfinished(): ContainerID[] {
    return this.#ids().filter((id) => {
      try {
        return this.get(id) === undefined;
      } catch {
        return false;
      }
    });
  }

  /**
   * By full id, name, or the beginning of an id that no other shares, in this order. ERR_NOT_FOUND and ERR_AMBIGUOUS
   * in Docker's words.
   */
  find(what: string): ContainerRecord {
    if (/^[a-f0-9]{64}$/.test(what)) {
      const exact = this.get(parseContainerID(what));
      if (exact !== undefined) return exact;
    }
    const records = this.list();
    const named = records.find((record) => plainName(record) === what.replace(/^\//, ''));
    if (named !== undefined) return named;
    const begun = /^[a-f0-9]+$/.test(what) ? records.filter((record) => record.ID.startsWith(what)) : [];
    if (begun.length === 1) return begun[0]!;
    if (begun.length > 1) {
      throw new GantryError('ERR_AMBIGUOUS', `multiple IDs found with provided prefix: ${what}`);
    }
    throw new GantryError('ERR_NOT_FOUND', `No such container: ${what}`, { container: what });
  }

  /** Takes the directory away: out of sight by one rename, then deleted. Does nothing when it is not there. */
  async remove(id: ContainerID): Promise<void> {
    const away = join(this.#tmp, `container-${id}-removing`);
    await removeTree(away);
    try {
      inDirectory(this.#tmp, 0o700, () => renameSync(this.path(id), away));
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
    await removeTree(away);
  }

  #ids(): ContainerID[] {
    try {
      return readdirSync(this.#directory)
        .filter((name) => /^[a-f0-9]{64}$/.test(name))
        .map(parseContainerID);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Undefined where there is no such file, or `holds` says so. */
  #read(id: ContainerID, name: string, holds?: (text: string) => boolean): unknown {
    const path = this.path(id, name);
    try {
      const text = readFileSync(path, 'utf8');
      if (holds?.(text) === false) return undefined;
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null) return value;
      throw new SyntaxError('expected an object');
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return undefined;
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new GantryError('ERR_STORE_CORRUPT', `${path}: ${cause.message}`, { file: path }, { cause });
    }
  }
}
