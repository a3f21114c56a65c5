/**
 * One directory of layerdb (layerdb.ts), read without trust: what each of its files says, and what is wrong with it.
 * A power cut leaves empty files (moby#23184), a half copied store leaves some out.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ChainID, type DiffID, parseChainID, parseDiffID } from '../core/digest/digest.js';
import { errnoCode, isGantryError } from '../core/errors.js';
import { type CacheID, parseCacheID } from '../core/ids.js';

export const ENTRY_FILES = ['cache-id', 'diff', 'parent', 'size', 'tar-split.json.gz'] as const;
export type EntryFile = (typeof ENTRY_FILES)[number];

export interface EntryFault {
  readonly file: EntryFile;
  readonly expected: string;
  readonly found: string;
}

export interface LayerEntry {
  readonly cacheID?: CacheID;
  readonly diffID?: DiffID;
  /** Undefined for a base layer, and where `faults` names it. */
  readonly parent?: ChainID;
  readonly size?: number;
  /** None: the entry is whole. */
  readonly faults: readonly EntryFault[];
}

export function readEntry(directory: string): LayerEntry {
  const faults: EntryFault[] = [];
  const value = <Value>(
    file: EntryFile,
    expected: string,
    parse: (text: string) => Value | undefined,
    text = read(join(directory, file)),
  ): Value | undefined => {
    const found = text ? parsed(parse, text) : undefined;
    if (found === undefined) faults.push({ file, expected, found: shown(text) });
    return found;
  };
  const cacheID = value('cache-id', '64 hex digits', parseCacheID);
  const diffID = value('diff', 'sha256:<diffID>', parseDiffID);
  const above = read(join(directory, 'parent'));
  const parent = above === undefined ? undefined : value('parent', 'sha256:<chainID>', parseChainID, above);
  const size = value('size', 'a decimal number', (text) => (/^\d+$/.test(text) ? Number(text) : undefined));
  const bytes = statSync(join(directory, 'tar-split.json.gz'), { throwIfNoEntry: false })?.size;
  if (!bytes) {
    const found = bytes === undefined ? 'none' : 'an empty file';
    faults.push({ file: 'tar-split.json.gz', expected: 'a gzip file', found });
  }
  return {
    ...(cacheID === undefined ? {} : { cacheID }),
    ...(diffID === undefined ? {} : { diffID }),
    ...(parent === undefined ? {} : { parent }),
    ...(size === undefined ? {} : { size }),
    faults,
  };
}

const shown = (text: string | undefined): string =>
  text === undefined ? 'none' : text === '' ? 'an empty file' : JSON.stringify(text.slice(0, 80));

function parsed<Value>(parse: (text: string) => Value | undefined, text: string): Value | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (isGantryError(error)) return undefined;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
