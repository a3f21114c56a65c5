/**
 * Platforms, and which manifest of an index fits one.
 *
 *   linux/amd64   linux/arm64[/v8]   linux/arm/v7        (os/architecture[/variant], Go's names)
 *
 * A newer machine runs images of an older one: amd64/v3 → v2 → v1 → 386; arm64 → arm/v7 → arm/v6; arm/v7 → v6 → v5.
 * The best fit wins, the order in the index decides between equals. Attestations (unknown/unknown) never match.
 */
import { GantryError } from '../core/errors.js';
import type { Descriptor } from '../core/oci/descriptor.js';
import { isIndexType, isManifestType } from '../core/oci/media-types.js';

export interface PlatformSpec {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  i386: ['386'],
  i686: ['386'],
  ia32: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  ppc64el: ['ppc64le'],
};

/** Which variant is meant where none is said. */
const BASE_VARIANT: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8', arm: 'v7' };

function normalise(os: string, architecture: string, variant?: string): Required<PlatformSpec> {
  const [arch, aliasVariant] = ALIASES[architecture.toLowerCase()] ?? [architecture.toLowerCase()];
  const given = variant?.toLowerCase() || aliasVariant || BASE_VARIANT[arch] || '';
  return { os: os.toLowerCase(), architecture: arch, variant: /^\d/.test(given) ? `v${given}` : given };
}

/** "linux/arm/v7"; the variant every machine of an architecture has is left out, as docker does. */
export function formatPlatform(platform: PlatformSpec): string {
  const { os, architecture, variant } = normalise(platform.os, platform.architecture, platform.variant);
  const implied = architecture !== 'arm' && variant === BASE_VARIANT[architecture];
  return `${os}/${architecture}${variant === '' || implied ? '' : `/${variant}`}`;
}

/** Parses `os/arch[/variant]` or a bare architecture, with docker's aliases. Throws ERR_INVALID_ARGUMENT. */
export function parsePlatform(text: string): PlatformSpec {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(part))) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `platform: expected os/arch[/variant] such as linux/arm64, found ${JSON.stringify(text)}`,
    );
  }
  const [first, architecture, variant] = parts as [string, string?, string?];
  if (architecture !== undefined) return normalise(first, architecture, variant);
  if (first.toLowerCase() === 'linux') return { ...hostPlatform(), os: 'linux' };
  return normalise('linux', first);
}

/** This machine's, as Linux images name it. */
export function hostPlatform(arch: string = process.arch): PlatformSpec {
  const littleEndianPower = arch === 'ppc64' ? 'ppc64le' : arch;
  return normalise('linux', littleEndianPower);
}

/** What `wanted` can run, best first, as "architecture/variant". */
function fallbacks({ architecture, variant }: PlatformSpec): string[] {
  const version = Number(variant?.slice(1)) || 0;
  const down = (arch: string, from: number, to: number) =>
    Array.from({ length: Math.max(from - to + 1, 0) }, (_, i) => `${arch}/v${from - i}`);
  if (architecture === 'amd64') return [...down('amd64', version, 1), '386/'];
  if (architecture === 'arm64') return [...down('arm64', version, 8), ...down('arm', 8, 5)];
  if (architecture === 'arm') return down('arm', version, 5);
  return [`${architecture}/${variant ?? ''}`];
}

const LAST = Number.MAX_SAFE_INTEGER;

/** How well `offered` fits: 0 is best, undefined not at all. */
export function platformRank(wanted: PlatformSpec, offered: PlatformSpec): number | undefined {
  const want = normalise(wanted.os, wanted.architecture, wanted.variant);
  const offer = normalise(offered.os, offered.architecture, offered.variant);
  const at = fallbacks(want).indexOf(`${offer.architecture}/${offer.variant}`);
  return offer.os === want.os && at >= 0 ? at : undefined;
}

const isAttestation = (entry: Descriptor): boolean =>
  entry.platform?.os === 'unknown' || entry.annotations?.['vnd.docker.reference.type'] !== undefined;

/** The manifest of an index for a platform. Throws ERR_NO_PLATFORM with what there is; `what` names the image. */
export function choosePlatform(
  entries: readonly Descriptor[],
  wanted: PlatformSpec,
  what: string,
): Descriptor {
  const images = entries.filter(
    (entry) => !isAttestation(entry) && (isManifestType(entry.mediaType) || isIndexType(entry.mediaType)),
  );
  let best: Descriptor | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const entry of images) {
    const rank = entry.platform === undefined ? LAST : platformRank(wanted, entry.platform);
    if (rank !== undefined && rank < bestRank) [best, bestRank] = [entry, rank];
  }
  if (best !== undefined) return best;
  const available = [...new Set(images.map((entry) => formatPlatform(entry.platform!)))];
  throw new GantryError(
    'ERR_NO_PLATFORM',
    `${what}: no image for ${formatPlatform(wanted)}, found ${available.join(', ') || 'none at all'}`,
    { available, ...(available.length > 0 && { hint: `gantry pull --platform ${available[0]} ${what}` }) },
  );
}
