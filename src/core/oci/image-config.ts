/**
 * The image config (image-spec config.md; Docker's names). Only a reading of it: the document itself is kept and
 * passed on byte for byte, unknown fields included. Go writes nil slices and maps as null.
 */
import * as v from 'valibot';
import { parseDiffID } from '../digest/digest.js';
import { parsedBy, parseJson } from './descriptor.js';

const strings = v.optional(v.nullable(v.array(v.string())));
const set = v.optional(v.nullable(v.record(v.string(), v.unknown())));
const map = v.optional(v.nullable(v.record(v.string(), v.string())));
const nanoseconds = v.optional(v.number());

export const healthcheckSchema = v.object({
  Test: strings,
  Interval: nanoseconds,
  Timeout: nanoseconds,
  StartPeriod: nanoseconds,
  StartInterval: nanoseconds,
  Retries: v.optional(v.number()),
});

export const containerConfigSchema = v.looseObject({
  Hostname: v.optional(v.string()),
  User: v.optional(v.string()),
  Env: strings,
  Cmd: strings,
  Entrypoint: strings,
  WorkingDir: v.optional(v.string()),
  Volumes: set,
  ExposedPorts: set,
  Labels: map,
  StopSignal: v.optional(v.string()),
  Shell: strings,
  Healthcheck: v.optional(v.nullable(healthcheckSchema)),
});
export type ContainerConfig = v.InferOutput<typeof containerConfigSchema>;

export const historySchema = v.object({
  created: v.optional(v.nullable(v.string())),
  created_by: v.optional(v.string()),
  author: v.optional(v.string()),
  comment: v.optional(v.string()),
  empty_layer: v.optional(v.boolean()),
});
export type History = v.InferOutput<typeof historySchema>;

export const imageConfigSchema = v.looseObject({
  created: v.optional(v.nullable(v.string())),
  author: v.optional(v.string()),
  architecture: v.optional(v.string(), ''),
  os: v.optional(v.string(), ''),
  variant: v.optional(v.string()),
  config: v.optional(v.nullable(containerConfigSchema)),
  rootfs: v.object({
    type: v.literal('layers'),
    diff_ids: v.optional(v.nullable(v.array(parsedBy((text) => parseDiffID(text))))),
  }),
  history: v.optional(v.nullable(v.array(historySchema))),
});
export type ImageConfig = v.InferOutput<typeof imageConfigSchema>;

/** Parses an image config. Throws ERR_MANIFEST_INVALID with the place. */
export const parseImageConfig = (bytes: Uint8Array, what = 'image config'): ImageConfig =>
  parseJson(imageConfigSchema, bytes, what);
