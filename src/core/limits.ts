/**
 * Bounds on what a registry, an archive or a layer may make us read (FORMATS §E1). Each is far above what real
 * images have; a breach is an error that names the bound.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const LIMITS = {
  manifestBytes: 4 * MiB,
  configBytes: 8 * MiB,
  tokenBytes: 64 * KiB,
  errorBodyBytes: 64 * KiB,
  indexEntries: 1000,
  /** overlayfs stacks at most 500 lowers (fs/overlayfs/params.h); Docker stops at 125 + init + rw. */
  layers: 127,
  /** A layer's tar may be this many times its blob, once it is larger than `inflatedFloor`. */
  inflateRatio: 100,
  inflatedFloor: 1 * GiB,
  inflatedBytes: 256 * GiB,
  entries: 10_000_000,
  pathBytes: 4096,
  nameBytes: 255,
  pathDepth: 512,
  paxBytes: 1 * MiB,
  xattrBytes: 64 * KiB,
  sparseSegments: 1_000_000,
} as const;

/** What so many compressed bytes may become at most. */
export const inflatedLimit = (compressed: number): number =>
  Math.min(LIMITS.inflatedBytes, Math.max(LIMITS.inflatedFloor, compressed * LIMITS.inflateRatio));
