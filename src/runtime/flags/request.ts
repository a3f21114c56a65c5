/**
 * `run`'s flags to Docker's create request. Reading files and the caller's environment is passed in, so this is a
 * pure function of what it is given.
 */
import { resolve } from 'node:path';
import { errnoCode, GantryError } from '../../core/errors.js';
import { capabilitiesFor } from '../capabilities.js';
import type { ContainerSettings, CreateRequest, HostConfig } from '../create-request.js';
import { parseLogConfig } from '../log-config.js';
import { checkContainerName } from '../names.js';
import { SHM_BYTES } from '../namespaces.js';
import { parseRestartPolicy, type RestartPolicy } from '../restart-policy.js';
import type { RunFlags } from '../run-flags.js';
import { parseSignal } from '../signals.js';
import { blockIoOf } from './block-io.js';
import { checkDeviceRule, parseDevice } from './device.js';
import { type Environment, environment, labels } from './environment.js';
import { healthcheck } from './health.js';
import { invalid } from './invalid.js';
import { nameResolution } from './name-resolution.js';
import { namespaceModes } from './namespaces.js';
import { parseNetworks } from './network.js';
import { parsePorts } from './ports.js';
import { integer, limitsOf, parseUlimit } from './resources.js';
import { securityOptions } from './security.js';
import { parseSize } from './size.js';
import { parseSysctls } from './sysctl.js';
import { absoluteBind, checkVolumesFrom, parseBind, parseMount, parseTmpfs } from './volume.js';

export interface FlagContext {
  readonly env: Environment;
  readonly cwd: string;
  readonly cpuCount: number;
  /** The network where no flag names one: GANTRY_DEFAULT_NETWORK. `none` without it. */
  readonly defaultNetwork?: string;
  /** Reads a file that a flag names. */
  readFile(path: string): string;
}

/** The text of a file that a flag names; ERR_INVALID_ARGUMENT in Docker's words when it cannot be read. */
function fileText(context: FlagContext, path: string): string {
  try {
    return context.readFile(path);
  } catch (cause) {
    const missing = errnoCode(cause) === 'ENOENT';
    throw invalid(`open ${path}: ${missing ? 'no such file or directory' : (cause as Error).message}`);
  }
}

const list = (values: readonly string[] | undefined): readonly string[] => values ?? [];

function checkHostname(name: string): string {
  if (name.length > 63 || !/^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$/.test(name)) {
    throw invalid(`invalid hostname format: ${name}`);
  }
  return name;
}

function oomScore(text: string | undefined): number {
  const score = integer(text, '--oom-score-adj') ?? 0;
  if (score >= -1000 && score <= 1000) return score;
  throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
}

/** Docker's flags that there is nothing behind. */
function refuse({ link, gpus }: RunFlags): void {
  const [flag, hint] =
    link !== undefined
      ? [
          '--link',
          'containers of one network know each other by name: gantry network create NAME, --network NAME',
        ]
      : gpus !== undefined
        ? ['--gpus', 'give the device nodes with --device and the libraries with -v']
        : [];
  if (flag === undefined || hint === undefined) return;
  throw new GantryError('ERR_UNSUPPORTED', `${flag} is not supported`, { hint });
}

function settings(
  flags: RunFlags,
  image: string,
  command: readonly string[],
  context: FlagContext,
): ContainerSettings {
  const read = (paths: readonly string[] | undefined) => list(paths).map((path) => fileText(context, path));
  const anonymous = list(flags.volume).map((spec) => parseBind(absoluteBind(spec, context.cwd)));
  const volumes = anonymous.flatMap((bind) =>
    bind.kind === 'anonymous' ? [[bind.target, {}] as const] : [],
  );
  const { exposed } = parsePorts(list(flags.publish), list(flags.expose));
  const timeout = integer(flags.stopTimeout, '--stop-timeout');
  const health = healthcheck(flags);
  const attached = !flags.detach;
  if (flags.stopSignal !== undefined) parseSignal(flags.stopSignal);
  return {
    Hostname: flags.hostname === undefined ? '' : checkHostname(flags.hostname),
    Domainname: flags.domainname === undefined ? '' : checkHostname(flags.domainname),
    User: flags.user ?? '',
    AttachStdin: attached && (flags.interactive ?? false),
    AttachStdout: attached,
    AttachStderr: attached,
    Tty: flags.tty ?? false,
    OpenStdin: flags.interactive ?? false,
    StdinOnce: attached && (flags.interactive ?? false),
    Env: environment(read(flags.envFile), list(flags.env), context.env),
    Cmd: command.length === 0 ? null : [...command],
    Image: image,
    Volumes: volumes.length === 0 ? null : Object.fromEntries(volumes),
    ...(Object.keys(exposed).length === 0 ? {} : { ExposedPorts: exposed }),
    WorkingDir: flags.workdir ?? '',
    // Docker's sign for "reset": one empty word.
    Entrypoint: flags.entrypoint === undefined ? null : [flags.entrypoint],
    Labels: labels(read(flags.labelFile), list(flags.label)),
    ...(flags.stopSignal === undefined ? {} : { StopSignal: flags.stopSignal }),
    ...(timeout === undefined ? {} : { StopTimeout: timeout }),
    ...(health === undefined ? {} : { Healthcheck: health }),
  };
}

function restartPolicy({ restart, rm }: RunFlags): RestartPolicy {
  const policy = parseRestartPolicy(restart ?? 'no');
  if (rm && policy.Name !== 'no')
    throw invalid('conflicting options: cannot specify both --restart and --rm');
  return policy;
}

function hostConfig(flags: RunFlags, context: FlagContext, NetworkMode: string): HostConfig {
  const binds = list(flags.volume).map((spec) => absoluteBind(spec, context.cwd));
  const mounts = list(flags.mount).map(parseMount);
  const tmpfs = list(flags.tmpfs).map(parseTmpfs);
  const named = binds.filter((spec) => parseBind(spec).kind !== 'anonymous');
  // Only to refuse unknown names at once; the set itself is made at start.
  capabilitiesFor({ add: list(flags.capAdd), drop: list(flags.capDrop), bounding: 0n });
  return {
    ...(named.length === 0 ? {} : { Binds: named }),
    ...(mounts.length === 0 ? {} : { Mounts: mounts }),
    ...(tmpfs.length === 0 ? {} : { Tmpfs: Object.fromEntries(tmpfs) }),
    ...(flags.volumesFrom === undefined ? {} : { VolumesFrom: flags.volumesFrom.map(checkVolumesFrom) }),
    ...(flags.cidfile === undefined ? {} : { ContainerIDFile: resolve(context.cwd, flags.cidfile) }),
    ...(flags.volatile ? { Volatile: true } : {}),
    NetworkMode,
    ...(flags.publish === undefined ? {} : { PortBindings: parsePorts(flags.publish, []).bindings }),
    ...(flags.publishAll ? { PublishAllPorts: true } : {}),
    RestartPolicy: restartPolicy(flags),
    LogConfig: parseLogConfig(flags.logDriver, list(flags.logOpt)),
    AutoRemove: flags.rm ?? false,
    Privileged: flags.privileged ?? false,
    ReadonlyRootfs: flags.readOnly ?? false,
    CapAdd: list(flags.capAdd),
    CapDrop: list(flags.capDrop),
    GroupAdd: list(flags.groupAdd),
    ...securityOptions(list(flags.securityOpt), (path) => fileText(context, path)),
    ...nameResolution(flags),
    ...namespaceModes(flags),
    Sysctls: parseSysctls(list(flags.sysctl)),
    Devices: list(flags.device).map(parseDevice),
    DeviceCgroupRules: list(flags.deviceCgroupRule).map(checkDeviceRule),
    Ulimits: list(flags.ulimit).map(parseUlimit),
    ...(flags.init === undefined ? {} : { Init: flags.init }),
    ...limitsOf(flags, context.cpuCount),
    ...blockIoOf(flags),
    OomKillDisable: flags.oomKillDisable ?? false,
    OomScoreAdj: oomScore(flags.oomScoreAdj),
    ShmSize: flags.shmSize === undefined ? SHM_BYTES : parseSize(flags.shmSize),
    ...(flags.runtime === undefined ? {} : { Runtime: flags.runtime }),
    ...(flags.annotation === undefined ? {} : { Annotations: labels([], flags.annotation) }),
  };
}

/** Throws ERR_INVALID_ARGUMENT with Docker's wording; ERR_UNSUPPORTED for a network mode that gantry does not know. */
export function createRequest(
  flags: RunFlags,
  image: string,
  command: readonly string[],
  context: FlagContext,
): CreateRequest {
  refuse(flags);
  const networks = parseNetworks(flags, context.defaultNetwork ?? 'none');
  return {
    ...(flags.name === undefined ? {} : { name: checkContainerName(flags.name) }),
    ...(flags.statsOnExit === undefined ? {} : { statsOnExit: resolve(context.cwd, flags.statsOnExit) }),
    ...(flags.warm === undefined ? {} : { warm: flags.warm }),
    config: settings(flags, image, command, context),
    hostConfig: hostConfig(flags, context, networks.mode),
    networkingConfig: { EndpointsConfig: networks.endpoints },
  };
}
