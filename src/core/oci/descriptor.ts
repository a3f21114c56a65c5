/** Descriptors and platforms (image-spec descriptor.md, image-index.md), parsed with bounds from hostile JSON. */
import * as v from 'valibot';
import { parseDigest } from '../digest/digest.js';
import { GantryError } from '../errors.js';

/** A string that must pass one of the digest parsers. */
export const parsedBy = <T extends string>(parse: (text: string) => T) =>
  v.pipe(
    v.string(),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        addIssue({ message: (error as Error).message });
        return NEVER;
      }
    }),
  );

export const digestSchema = parsedBy((text) => parseDigest(text));

export const platformSchema = v.object({
  os: v.string(),
  architecture: v.string(),
  variant: v.optional(v.string()),
  'os.version': v.optional(v.string()),
});
export type Platform = v.InferOutput<typeof platformSchema>;

export const descriptorSchema = v.object({
  mediaType: v.string(),
  digest: digestSchema,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  urls: v.optional(v.array(v.string())),
  platform: v.optional(platformSchema),
  annotations: v.optional(v.nullable(v.record(v.string(), v.string()))),
});
export type Descriptor = v.InferOutput<typeof descriptorSchema>;

/** Parses JSON bytes with a schema. Throws ERR_MANIFEST_INVALID naming `what`, the place, and what was found there. */
export function parseJson<S extends v.GenericSchema>(
  schema: S,
  bytes: Uint8Array,
  what: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (cause) {
    throw new GantryError('ERR_MANIFEST_INVALID', `${what}: not valid JSON`, {}, { cause });
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const place = v.getDotPath(issue) ?? 'document';
  throw new GantryError('ERR_MANIFEST_INVALID', `${what}: at ${place}: ${issue.message}`);
}
