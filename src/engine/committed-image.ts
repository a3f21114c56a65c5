/**
 * The config of an image that was made of a container: the image's own, with the container's settings over it, one more
 * layer and one more step of history. Docker's fields that belong to one machine (hostname, container id) are left out.
 */
import type { DiffID } from '../core/digest/digest.js';
import type { ContainerConfig, History, ImageConfig } from '../core/oci/image-config.js';
import { applyChanges } from '../image/dockerfile-change.js';
import type { ContainerSettings } from '../runtime/create-request.js';

export interface CommittedImageOptions {
  readonly parent: ImageConfig;
  readonly settings: ContainerSettings;
  /** Undefined when the container changed nothing. */
  readonly diffID: DiffID | undefined;
  readonly author: string;
  readonly message: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** RFC 3339 */
  readonly created: string;
}

export function committedImage(options: CommittedImageOptions): Buffer {
  const { parent, settings, diffID, author, message, created } = options;
  const config = committedConfig(parent.config ?? {}, settings, options.changes);
  const step: History = {
    created,
    // Docker names the command, without its entrypoint.
    created_by: (settings.Cmd ?? []).join(' '),
    ...(author === '' ? {} : { author }),
    ...(message === '' ? {} : { comment: message }),
    ...(diffID === undefined ? { empty_layer: true } : {}),
  };
  const { architecture, variant, os, rootfs, history } = parent;
  const document = {
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os: os || 'linux',
    ...(author === '' ? {} : { author }),
    created,
    config,
    rootfs: {
      type: 'layers',
      diff_ids: [...(rootfs.diff_ids ?? []), ...(diffID === undefined ? [] : [diffID])],
    },
    history: [...(history ?? []), step],
  };
  return Buffer.from(JSON.stringify(document));
}

/** ERR_INVALID_ARGUMENT for a change that cannot be. */
export function committedConfig(
  image: ContainerConfig,
  settings: ContainerSettings,
  changes: readonly string[],
): ContainerConfig {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal, Healthcheck } =
    settings;
  // Triggers fired when this image was built on; they are not for the images built on the new one.
  const { OnBuild: _, ...inherited } = image;
  const own = Object.entries({
    User,
    ExposedPorts,
    Env,
    Entrypoint,
    Cmd,
    Volumes,
    WorkingDir,
    Labels,
    StopSignal,
    Healthcheck,
  }).filter(([, value]) => value !== undefined);
  return applyChanges({ ...inherited, ...Object.fromEntries(own) }, changes);
}
