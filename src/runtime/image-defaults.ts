/**
 * The image's config under the user's: Docker's rules of what wins, and what the process then is.
 *
 *   image            run                              process
 *   ENTRYPOINT e     –                                e + image's CMD
 *   ENTRYPOINT e     args                             e + args
 *   ENTRYPOINT e     --entrypoint x                   x              (the image's CMD belongs to the image's ENTRYPOINT)
 *   CMD c            args                             args
 *   CMD c            --entrypoint "" args             args
 */
import { posix } from 'node:path';
import type { ContainerConfig } from '../core/oci/image-config.js';
import type { ContainerSettings } from './create-request.js';
import { mergeEnvironment } from './flags/environment.js';
import { invalid } from './flags/invalid.js';

export const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function withImageDefaults(user: ContainerSettings, image: ContainerConfig = {}): ContainerSettings {
  const ownEntrypoint = (user.Entrypoint ?? []).length > 0;
  const inheritCmd = !ownEntrypoint && (user.Cmd ?? []).length === 0;
  const nothing = user.Volumes === undefined && image.Volumes === undefined;
  return {
    ...user,
    User: user.User || image.User || '',
    Env: mergeEnvironment(image.Env ?? [], user.Env ?? []),
    Cmd: (inheritCmd ? image.Cmd : user.Cmd) ?? null,
    Entrypoint: (ownEntrypoint ? user.Entrypoint : image.Entrypoint) ?? null,
    WorkingDir: workingDirectory(user.WorkingDir || image.WorkingDir || '/'),
    Labels: { ...image.Labels, ...user.Labels },
    ...(nothing ? {} : { Volumes: { ...image.Volumes, ...user.Volumes } }),
    ...(image.ExposedPorts || user.ExposedPorts
      ? { ExposedPorts: { ...image.ExposedPorts, ...user.ExposedPorts } }
      : {}),
    ...((user.StopSignal ?? image.StopSignal) ? { StopSignal: user.StopSignal ?? image.StopSignal } : {}),
    // Field by field: `--health-interval` alone is for the image's command.
    ...((user.Healthcheck ?? image.Healthcheck)
      ? { Healthcheck: { ...image.Healthcheck, ...user.Healthcheck } }
      : {}),
  };
}

function workingDirectory(path: string): string {
  if (path.startsWith('/')) return posix.normalize(path).replace(/(.)\/$/, '$1');
  throw invalid(`the working directory '${path}' is invalid, it needs to be an absolute path`);
}

/** The words to execute: entrypoint and command. Throws ERR_INVALID_ARGUMENT when there are none. */
export function processArgs(settings: ContainerSettings): readonly [string, ...string[]] {
  const entrypoint =
    (settings.Entrypoint ?? []).length === 1 && settings.Entrypoint![0] === ''
      ? []
      : (settings.Entrypoint ?? []);
  const [first, ...rest] = [...entrypoint, ...(settings.Cmd ?? [])];
  if (first === undefined) throw invalid('no command specified');
  return [first, ...rest];
}

/** What the process finds in its environment, besides HOME, which depends on the user. */
export function processEnv(settings: ContainerSettings, hostname: string): string[] {
  const base = [DEFAULT_PATH, `HOSTNAME=${hostname}`, ...(settings.Tty ? ['TERM=xterm'] : [])];
  return mergeEnvironment(base, settings.Env ?? []);
}
