/**
 * A profile read back from JSON (profile.ts has the format), which may come from another machine or from anyone: every
 * field that is used is checked for type and range. Fields it does not know are dropped, so a report is a profile too.
 */
import * as v from 'valibot';
import { GantryError } from '../core/errors.js';
import { printable } from './printable.js';
import { type CopyUpProfile, PROFILE_SCHEMA } from './profile.js';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const path = v.pipe(v.string(), v.startsWith('/'));
const pathBase64 = v.optional(v.pipe(v.string(), v.base64()));

const copiedFile = v.object({
  path,
  pathBase64,
  kind: v.picklist(['file', 'directory', 'symlink', 'other']),
  cause: v.picklist(['open', 'truncate', 'chmod', 'chown', 'xattr', 'rename', 'link', 'unknown']),
  pid: v.optional(count),
  command: v.optional(v.string()),
  layer: v.optional(count),
  bytes: count,
  startMs: v.optional(milliseconds),
  durationMs: v.optional(milliseconds),
  changed: v.optional(v.object({ block4k: count, block64k: count })),
  gone: v.optional(v.boolean()),
});

const profileSchema = v.object({
  schema: v.literal(PROFILE_SCHEMA),
  source: v.picklist(['trace', 'upper']),
  container: v.object({ id: v.string(), name: v.string(), image: v.string(), imageID: v.string() }),
  startedAt: v.pipe(
    v.string(),
    v.check((text) => !Number.isNaN(Date.parse(text)), 'Invalid date: Expected RFC 3339'),
  ),
  durationMs: v.optional(milliseconds),
  exitCode: v.optional(v.pipe(v.number(), v.integer())),
  lost: count,
  layers: v.array(
    v.object({ chainID: v.optional(v.string()), cacheID: v.string(), createdBy: v.optional(v.string()) }),
  ),
  files: v.array(copiedFile),
  created: v.array(
    v.object({
      path,
      pathBase64,
      bytes: count,
      pid: v.optional(count),
      command: v.optional(v.string()),
      startMs: v.optional(milliseconds),
    }),
  ),
  /** Of a report that was cut. */
  leftOut: v.optional(count),
});

/** Throws ERR_INVALID_ARGUMENT that names `what`, the place in it, what was expected there and what was found. */
export function parseProfile(text: string, what: string): CopyUpProfile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GantryError('ERR_INVALID_ARGUMENT', `${what}: not valid JSON`, {}, { cause });
  }
  const result = v.safeParse(profileSchema, value, { abortEarly: true });
  if (!result.success) {
    const issue = result.issues[0];
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${what}: at ${v.getDotPath(issue) ?? 'the document'}: ${printable(issue.message)}`,
      { hint: `a copy-up profile is what 'gantry copyup report --format json' writes` },
    );
  }
  const { leftOut = 0, ...profile } = result.output;
  if (leftOut > 0) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${what}: ${leftOut} files were left out of this report, so its totals cannot be made again`,
      { hint: `write it without --top` },
    );
  }
  const layers = profile.layers.length;
  const wrong = profile.files.findIndex(({ layer }) => layer !== undefined && layer >= layers);
  if (wrong !== -1) {
    throw new GantryError(
      'ERR_INVALID_ARGUMENT',
      `${what}: at files.${wrong}.layer: expected an index into ${layers} layers, found ${profile.files[wrong]!.layer}`,
    );
  }
  return profile;
}
