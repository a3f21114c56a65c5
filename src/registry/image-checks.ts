/** What must hold of a manifest and an image config beyond their schema, before a layer is fetched. */
import { algorithmOf, type Digest, digestOf } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import type { Descriptor } from '../core/oci/descriptor.js';
import type { ImageConfig } from '../core/oci/image-config.js';
import { formatPlatform, type PlatformSpec, platformRank } from './platform.js';

/** Throws ERR_DIGEST_MISMATCH. */
export function checkDigest(what: string, body: Buffer, expected: Digest): void {
  const found = digestOf(body, algorithmOf(expected));
  if (found !== expected) {
    throw new GantryError('ERR_DIGEST_MISMATCH', `${what}: expected digest ${expected}, found ${found}`);
  }
}

export const wrongSize = (what: string, { digest, size }: Descriptor, found: number): GantryError =>
  new GantryError('ERR_SIZE_MISMATCH', `${what}: ${digest} should have ${size} bytes, found ${found}`);

/** Refuses to ask for more than `limit` bytes. */
export function checkSize(what: string, { digest, size }: Descriptor, limit: number): void {
  if (size <= limit) return;
  throw new GantryError(
    'ERR_MANIFEST_INVALID',
    `${what}: ${digest} has ${size} bytes, expected at most ${limit}`,
  );
}

/** One diffID a layer, and a platform that fits. Throws ERR_MANIFEST_INVALID, ERR_NO_PLATFORM. */
export function checkConfig(
  what: string,
  manifest: { readonly layers: readonly unknown[] },
  config: ImageConfig,
  platform: PlatformSpec | undefined,
): void {
  const diffIDs = config.rootfs.diff_ids?.length ?? 0;
  if (diffIDs !== manifest.layers.length) {
    throw new GantryError(
      'ERR_MANIFEST_INVALID',
      `${what}: image config has ${diffIDs} diff_ids for ${manifest.layers.length} layers`,
    );
  }
  const { architecture, variant } = config;
  const os = config.os || 'linux';
  const offered = { os, architecture, ...(variant !== undefined && { variant }) };
  const fits = platform === undefined ? os === 'linux' : platformRank(platform, offered) !== undefined;
  if (fits || (platform !== undefined && architecture === '')) return;
  throw new GantryError(
    'ERR_NO_PLATFORM',
    `${what}: image is for ${formatPlatform(offered)}, expected ${platform === undefined ? 'linux' : formatPlatform(platform)}`,
    { available: [formatPlatform(offered)] },
  );
}
