/**
 * How overlay2 chains directories: short links, because 128 lower directories must fit in one page of mount options.
 *
 *   overlay2/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ -> ../<cache-id>/diff      26 characters of A-Z and 2-7
 *   overlay2/<cache-id>/link     ABCDEFGHIJKLMNOPQRSTUVWXYZ
 *   overlay2/<cache-id>/lower    l/<link of the parent>:l/<link of its parent>:…      top first; not there for a base
 *
 * An empty `link` or `lower` is what a power cut leaves (moby#23184): the directory counts as damaged.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoCode, GantryError } from '../core/errors.js';
import { type CacheID, parseCacheID } from '../core/ids.js';

/** Docker refuses more lowers than this, so that the options of a mount stay below 4096 bytes. */
export const MAX_LOWERS = 128;

const LINK = /^[A-Z0-9]{26}$/;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export const newLink = (): string => Array.from(randomBytes(26), (byte) => ALPHABET[byte & 31]).join('');

function damaged(file: string, found: string): GantryError {
  return new GantryError(
    'ERR_STORE_CORRUPT',
    `${file}: expected links of layers, found ${JSON.stringify(found)}`,
    {
      file,
      hint: 'pull the image again; a container that stands on this layer must be made anew',
    },
  );
}

export function readLink(directory: string): string {
  const file = join(directory, 'link');
  const link = readFileSync(file, 'utf8').trim();
  if (!LINK.test(link)) throw damaged(file, link);
  return link;
}

/** `l/…` of each layer below, top first; empty for a base layer. */
export function readLowers(directory: string): string[] {
  const file = join(directory, 'lower');
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
  const lowers = text.split(':');
  for (const lower of lowers) {
    if (!lower.startsWith('l/') || !LINK.test(lower.slice(2))) throw damaged(file, lower);
  }
  return lowers;
}

/** The lowers of a child of `parent`. ERR_LAYER_INVALID when there would be more than can be mounted. */
export const lowersAbove = (parent: string): string[] => above(`l/${readLink(parent)}`, readLowers(parent));

/** The same, of a parent whose links are at hand. */
export function above(parent: string, below: readonly string[]): string[] {
  const lowers = [parent, ...below];
  if (lowers.length > MAX_LOWERS) {
    throw new GantryError(
      'ERR_LAYER_INVALID',
      `expected at most ${MAX_LOWERS} layers below one, found ${lowers.length}`,
      { hint: 'rebuild the image with fewer layers (docker build --squash, or a multi-stage build)' },
    );
  }
  return lowers;
}

/** The cache id that `l/…` points to. Links come from files, so they may not lead anywhere else. */
export function resolveLink(home: string, lower: string): CacheID {
  const target = readlinkSync(join(home, lower));
  const id = basename(dirname(target));
  if (target !== `../${id}/diff`) throw damaged(join(home, lower), target);
  return parseCacheID(id, join(home, lower));
}
