/** Image manifests and indexes, OCI and Docker schema 2 (image-spec manifest.md, image-index.md). */
import * as v from 'valibot';
import { LIMITS } from '../limits.js';
import { descriptorSchema } from './descriptor.js';

export const manifestSchema = v.object({
  schemaVersion: v.literal(2),
  mediaType: v.optional(v.string()),
  config: descriptorSchema,
  layers: v.pipe(v.array(descriptorSchema), v.maxLength(LIMITS.layers)),
});
export type Manifest = v.InferOutput<typeof manifestSchema>;

export const indexSchema = v.object({
  schemaVersion: v.literal(2),
  mediaType: v.optional(v.string()),
  manifests: v.pipe(v.array(descriptorSchema), v.maxLength(LIMITS.indexEntries)),
});
export type Index = v.InferOutput<typeof indexSchema>;
