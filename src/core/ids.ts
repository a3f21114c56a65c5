/**
 * Ids that name directories of the store. CacheID: `^[a-f0-9]{64}(-init)?$` (Docker's layer store refuses others).
 * ContainerID: 64 hex. Made only here.
 */
import { randomBytes } from 'node:crypto';
import { GantryError } from './errors.js';

declare const brand: unique symbol;
export type CacheID = string & { readonly [brand]: 'CacheID' };
export type ContainerID = string & { readonly [brand]: 'ContainerID' };

export const newCacheID = (): CacheID => randomBytes(32).toString('hex') as CacheID;
export const newContainerID = (): ContainerID => randomBytes(32).toString('hex') as ContainerID;

export function parseCacheID(text: string, what = 'cache-id'): CacheID {
  if (!/^[a-f0-9]{64}(-init)?$/.test(text)) {
    throw new GantryError(
      'ERR_STORE_CORRUPT',
      `${what}: expected 64 hex digits, found ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  return text as CacheID;
}

export function parseContainerID(text: string): ContainerID {
  if (!/^[a-f0-9]{64}$/.test(text)) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `container id: expected 64 hex digits, found ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  return text as ContainerID;
}
